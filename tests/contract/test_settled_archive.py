"""One suite over every archive: settled tasks come back as they were, by key and page by page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from machines.stories import ANN, BOB, START, TASK, assigned, facts, viewed
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId, TxHash
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.events import Entry
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task.machine import CallRefused, Received, receive, step
from poolhand.domain.task.model import Attempt, Stored, Transaction
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, UnixSeconds, Wei
from poolhand.ports.archive import KeptDeal, TaskLine
from poolhand.ports.journal import Kept
from poolhand.store.memory import MemoryJournal
from poolhand.store.sql import SqlJournal

DEAL, OTHER = DealId(bytes([5]) * 32), DealId(bytes([6]) * 32)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def journal(request, tmp_path):
    match request.param:
        case "memory":
            made = MemoryJournal()
        case "sqlite":
            made = SqlJournal(f"sqlite:///{tmp_path}/pool.db")
        case _:
            made = SqlJournal(request.getfixturevalue("postgres"))
    yield made
    made.close()


def name_of(number: int) -> TaskId:
    return TaskId(number.to_bytes(32, "big"))


def settled(number=1, *, deal=DEAL, status=ChainTaskStatus.COMPLETED, deadline=None):
    """Return a task with a bit of everything that a task can have."""
    about = replace(facts(), task_id=name_of(number), deal_id=deal, index=number)
    if deadline is not None:
        about = replace(about, final_deadline=UnixSeconds(deadline))
    task = receive(Received(START, about))
    for event in assigned(ANN, BOB):
        task, _ = step(task, event)
    task, _ = step(task, CallRefused(UnixSeconds(START + 1), "finalize", "späte \u2028 Zeile"))
    task, _ = step(task, viewed(status))
    odd = Attempt(
        ANN, Weight(2), (Entry(Status.CREATED, START), Entry(Status.FAILED, START, "why")),
        reports=3, live=False, heard_at=START, told=frozenset({1, 0}), proved=False,
        taken_up_at=UnixSeconds(START + 2),
    )  # fmt: skip
    return replace(
        task,
        view=replace(task.view, task_id=about.task_id),
        attempts=(odd, *task.attempts[1:]),
        stored=Stored(ANN, "there", task.view.digest, b"\x01"),
        transactions=(
            Transaction("initialize", TxHash(number.to_bytes(2, "big") * 16), BlockNumber(3)),
            Transaction("finalize", TxHash(bytes(32)), None, Gas(21_000), Wei(10**21)),
        ),
    )


def deal_of(deal_id=DEAL):
    some = Resource(Address(bytes([7]) * 20), ZERO_ADDRESS, NanoRlc(5))
    return Deal(
        deal_id, some, some, some, Trust(1), 0, NO_TAG, Address(bytes([8]) * 20), ZERO_ADDRESS,
        ZERO_ADDRESS, '{"iexec_args":"ü"}', START, 0, 3, NanoRlc(1), 50, ZERO_ADDRESS,
    )  # fmt: skip


def keep(journal, *rows):
    journal.commit([Kept(row) for row in rows])
    return journal.archive


@pytest.mark.parametrize("status", [ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED])
def test_a_task_comes_back_as_it_was(journal, status):
    task = settled(status=status)
    archive = keep(journal, task)
    assert archive.task(task.facts.task_id) == task
    assert archive.task(TASK) is None


def test_a_task_without_anything_comes_back_as_it_was(journal):
    task = receive(Received(START, facts()))
    assert keep(journal, task).task(TASK) == task


def test_a_task_that_is_kept_again_replaces_what_was(journal):
    archive = keep(journal, settled(), settled(2))
    less = replace(settled(status=ChainTaskStatus.FAILED), attempts=(), transactions=())
    less, _ = step(less, viewed(ChainTaskStatus.FAILED))
    keep(journal, settled(), replace(less, view=settled().view))
    keep(journal, less)
    assert archive.task(name_of(1)) == less
    assert archive.counts() == {TaskStatus.FAILED: 1, TaskStatus.COMPLETED: 1}


def test_a_deal_comes_back_as_it_was(journal):
    archive = keep(journal, KeptDeal(deal_of(), UnixSeconds(9)))
    keep(journal, KeptDeal(deal_of(), UnixSeconds(10)))
    assert archive.deal(DEAL) == deal_of()
    assert archive.deal(OTHER) is None


def test_pages_follow_one_another_until_all_have_been_shown(journal):
    archive = keep(journal, *(settled(number) for number in range(1, 8)))
    shown, last = [], None
    while page := archive.tasks(None, last, 3):
        assert len(page) <= 3
        shown += [task.facts.index for task in page]
        last = page[-1].facts.task_id
    assert shown == [7, 6, 5, 4, 3, 2, 1]


def test_pages_of_one_status_pass_over_the_others(journal):
    ends = [ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED]
    archive = keep(journal, *(settled(number, status=ends[number % 2]) for number in range(1, 7)))
    page = archive.tasks(TaskStatus.FAILED, None, 2)
    assert [task.facts.index for task in page] == [5, 3]
    page = archive.tasks(TaskStatus.FAILED, page[-1].facts.task_id, 2)
    assert [task.facts.index for task in page] == [1]
    assert archive.counts() == {TaskStatus.COMPLETED: 3, TaskStatus.FAILED: 3}


def test_a_deals_tasks_are_listed_and_what_the_chain_ended_is_told(journal):
    dropped = settled(2, status=ChainTaskStatus.UNSET)
    archive = keep(journal, settled(3), settled(1), dropped, settled(4, deal=OTHER))
    assert archive.lines(DEAL, 0, 100) == [
        TaskLine(name_of(1), 1, TaskStatus.COMPLETED),
        TaskLine(name_of(2), 2, dropped.status),
        TaskLine(name_of(3), 3, TaskStatus.COMPLETED),
    ]
    assert [line.index for line in archive.lines(DEAL, 2, 3)] == [2]
    assert archive.ended(DEAL) == {name_of(1), name_of(3)}


def test_only_what_is_old_is_forgotten_and_a_deal_with_its_last_task(journal):
    old, new = [settled(n, deadline=100) for n in (1, 2, 3)], settled(4, deal=OTHER, deadline=200)
    deals = [KeptDeal(deal_of(name), UnixSeconds(at)) for name, at in ((DEAL, 100), (OTHER, 200))]
    archive = keep(journal, *deals, *old, new)
    assert archive.prune(UnixSeconds(100), 2) == 0
    assert archive.prune(UnixSeconds(101), 2) == 2
    assert archive.deal(DEAL) is not None
    assert archive.prune(UnixSeconds(101), 2) == 1
    assert archive.prune(UnixSeconds(101), 2) == 0
    assert [task.facts.index for task in archive.tasks(None, None, 9)] == [4]
    assert archive.counts().get(TaskStatus.COMPLETED) == 1
    assert archive.deal(DEAL) is None
    assert archive.deal(OTHER) == deal_of(OTHER)


def test_a_task_that_settles_anew_is_the_newest(journal):
    archive = keep(journal, settled(1), settled(2))
    keep(journal, settled(1))
    assert [task.facts.index for task in archive.tasks(None, None, 9)] == [1, 2]
