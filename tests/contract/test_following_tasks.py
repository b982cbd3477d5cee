"""One that stands by follows the journal of its leader: what it is asked for costs by what it shows."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from sqlalchemy import Engine, event

from machines.stories import ANN, START, assigned, facts, viewed
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task.machine import Received, receive, step
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.ports.archive import KeptDeal
from poolhand.ports.journal import Forgotten, Kept, Written
from poolhand.scheduler.engine import TASK_CODEC
from poolhand.scheduler.followed_tasks import STREAMS, FollowedTasks
from poolhand.scheduler.standby_api import StandbyOffice, standby_routes
from poolhand.store.record import Codec
from poolhand.store.sql import SqlJournal
from poolhand.store.sql_reader import SqlReader
from poolhand.transport.asgi import application

pytestmark = pytest.mark.postgres

DEAL = DealId(bytes([5]) * 32)


def deal_of(tasks):
    some = Resource(Address(bytes([7]) * 20), ZERO_ADDRESS, NanoRlc(5))
    return Deal(
        DEAL, some, some, some, Trust(1), 0, NO_TAG, ANN, ANN, ZERO_ADDRESS, "", START, 0, tasks,
        NanoRlc(1), 50, ZERO_ADDRESS,
    )  # fmt: skip


class Leader:
    """Writes what a leader would write."""

    def __init__(self, url, tasks):
        self.journal, self.deal = SqlJournal(url), deal_of(tasks)
        self.names = [name for _, name in self.deal.tasks()]
        changes = [Kept(KeptDeal(self.deal, UnixSeconds(START + 10_000)))]
        for index, name in enumerate(self.names):
            changes += self.received(index, name)
        for each in (*assigned(ANN), viewed(ChainTaskStatus.ACTIVE)):
            changes.append(self.written(self.names[0], each))
        self.journal.commit(changes)

    def written(self, name, what):
        return Written(f"{STREAMS}{name}", Codec.event_text(TASK_CODEC.encode(what)))

    def about(self, index, name):
        return replace(facts(), task_id=name, deal_id=DEAL, index=index)

    def received(self, index, name):
        return [self.written(name, Received(START, self.about(index, name)))]

    def settle(self, number):
        name = self.names[number]
        task = receive(Received(START, self.about(number, name)))
        task, _ = step(task, viewed(ChainTaskStatus.COMPLETED))
        task = replace(task, view=replace(task.view, task_id=name))
        self.journal.commit([Kept(task), Forgotten(f"{STREAMS}{name}")])


class Told:
    """A leader, and one that stands by for it, which is asked over HTTP."""

    def __init__(self, url, tasks):
        self.leader, self.reader = Leader(url, tasks), SqlReader(url)
        self.tasks = FollowedTasks(self.reader)
        self.office = StandbyOffice(None, self.reader.archive, self.tasks, None, lambda: None, str)
        app = application("A pool", [standby_routes(self.office)])
        transport = httpx.ASGITransport(app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://x")

    async def ask(self, path, **params):
        """Ask; returns what was told, and how many statements and rows that took."""
        seen = []

        def look(_connection, cursor, statement, *_):
            seen.append((statement, max(cursor.rowcount, 0)))

        event.listen(Engine, "after_cursor_execute", look)
        try:
            told = await self.http.get(path, params=params)
        finally:
            event.remove(Engine, "after_cursor_execute", look)
        assert told.status_code == 200, told.text
        return told.json(), len(seen), sum(rows for _, rows in seen)

    async def names(self, **params):
        found, _, _ = await self.ask("/v1/tasks", **params)
        return [each["task_id"] for each in found]

    def close(self):
        self.reader.close()
        self.leader.journal.close()


@pytest.fixture
def told(postgres_server):
    made = []

    def make(tasks):
        made.append(Told(postgres_server.database(), tasks))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize(
    "asked",
    [{"limit": 3}, {"limit": 3, "status": "RUNNING"}, {"limit": 3, "status": "COMPLETED"}],
    ids=["all", "of-one-status", "settled"],
)
async def test_a_page_costs_by_what_it_shows_and_not_by_what_is_open(told, asked):
    few, many = told(20), told(200)
    costs = []
    for each in (few, many):
        each.tasks.look()  # as it does once a second while nobody asks
        each.leader.settle(5)
        each.leader.journal.commit(each.leader.received(7, each.leader.names[7]))
        costs.append((await each.ask("/v1/tasks", **asked))[1:])
    assert costs[1][0] <= 1.3 * costs[0][0], "statements"
    assert costs[1][1] <= 1.3 * costs[0][1], "rows"


async def test_a_deal_is_told_with_as_many_statements_however_many_of_its_tasks_are_open(told):
    statements = []
    for each in (told(20), told(200)):
        each.tasks.look()
        found, count, _ = await each.ask(f"/v1/deals/{DEAL}", limit=1000)
        assert [line["index"] for line in found["tasks"]] == list(range(each.leader.deal.bot_size))
        statements.append(count)
    assert statements[0] == statements[1]


async def test_what_the_leader_writes_is_told_as_it_stands(told):
    one = told(6)
    names = [str(name) for name in one.leader.names]
    assert await one.names() == names[::-1]
    assert await one.names(limit=2, before=names[4]) == [names[3], names[2]]
    assert await one.names(status="RECEIVED") == names[:0:-1]
    assert await one.names(status=str(TaskStatus.RUNNING)) == names[:1]
    one.leader.settle(2)
    assert await one.names() == [*(name for name in names[::-1] if name != names[2]), names[2]]
    assert await one.names(status="COMPLETED") == [names[2]]
    assert await one.names(before=names[2]) == []
    found, _, _ = await one.ask(f"/v1/deals/{DEAL}")
    assert [line["status"] for line in found["tasks"]].count("COMPLETED") == 1


async def test_a_task_that_does_not_read_stands_as_far_as_it_does_and_hides_no_other(told):
    one = told(3)
    name = one.leader.names[1]
    one.leader.journal.append(f"{STREAMS}{name}", {"t": "Unheard"})
    one.leader.journal.append(f"{STREAMS}no-task", {"t": "Unheard"})
    found, _, _ = await one.ask("/v1/tasks")
    assert len(found) == 3
    assert "does not read" in found[1]["trouble"]
    assert found[0]["trouble"] is found[2]["trouble"] is None


def test_what_is_more_than_one_query_holds_is_heard_at_one_look(postgres):
    leader, reader = Leader(postgres, 9), SqlReader(postgres)
    tasks = FollowedTasks(reader, most=4)
    assert len(tasks.page(None, None, 99)) == 9
    for number in range(9):
        leader.settle(number)
    assert tasks.page(None, None, 99) == []
    reader.close()
    leader.journal.close()


async def test_whoever_leads_now_keeps_nothing_of_what_it_followed(told):
    one = told(3)
    async with one.tasks.following():
        assert len(await one.names()) == 3
    assert not one.tasks._heard.tasks
    assert len(await one.names()) == 3, "and who asks all the same is told"
