"""Group commit: many events in one commit, in order, and nothing leaves before its commit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.errors import BrokenPrecondition
from poolhand.ports.journal import Forgotten, Written
from poolhand.store.errors import JournalFull
from poolhand.store.group import ACTS, GroupCommit, grouped
from poolhand.store.memory import MemoryJournal
from poolhand.store.sql import SqlJournal


class Writer:
    """A thread that a test holds up: a commit is made when the test lets it be made."""

    def __init__(self):
        self.submitted = []

    def submit(self, work, *args):
        future = Future()
        self.submitted.append((future, work, args))
        return future

    def finish(self):
        future, work, args = self.submitted.pop(0)
        try:
            future.set_result(work(*args))
        except JournalFull as fault:
            future.set_exception(fault)


@pytest.fixture
def journal():
    return MemoryJournal()


@pytest.fixture
async def held(journal):
    """A log over a writer that waits for the test."""
    log, writer = GroupCommit(journal, Writer()), None
    writer = log._writer
    running = asyncio.create_task(log.run())
    yield log, writer, running
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_waits_for_an_event_is_done_after_its_commit_and_not_before(held, journal):
    log, writer, _ = held
    done = []
    log.add("a", {"n": 1})
    log.after(lambda: done.append(list(journal.read())))
    await turns()
    assert done == []
    writer.finish()
    await turns()
    assert done == [[("a", {"n": 1})]]


async def test_what_gathers_while_a_group_is_written_is_one_commit(held):
    log, writer, _ = held
    log.add("a", {"n": 0})
    await turns()
    for number in range(1, 100):
        log.add("a", {"n": number})
    log.forget("b")
    writer.finish()
    await turns()
    ((_, _, (changes,)),) = writer.submitted
    assert changes == [*(Written("a", f'{{"n":{n}}}') for n in range(1, 100)), Forgotten("b")]


async def test_a_group_is_bounded(journal):
    log = GroupCommit(journal, Writer(), most=3)
    for number in range(7):
        log.add("a", {"n": number})
    assert [len(group.changes) for group in log._waiting] == [3, 3, 1]


async def test_what_nothing_has_to_wait_for_is_done_at_once(held):
    log, _, _ = held
    done = []
    log.after(lambda: done.append(1))
    assert done == [1]


async def test_what_an_act_asks_for_comes_after_those_that_were_there_before(held):
    log, writer, _ = held
    done = []

    def first():
        log.after(lambda: done.append("asked by the first"))
        done.append("first")

    log.add("a", {})
    log.after(first)
    log.after(lambda: done.append("second"))
    await turns()
    writer.finish()
    await turns()
    assert done == ["first", "second", "asked by the first"]


async def test_what_only_waits_for_the_group_being_written_waits_for_no_other(held):
    log, writer, _ = held
    done = []
    log.add("a", {})
    await turns()
    log.after(lambda: done.append(1))
    writer.finish()
    await turns()
    assert done == [1]
    assert not writer.submitted


async def test_nothing_follows_a_group_that_was_not_written(held, journal):
    log, writer, running = held
    done = []
    journal.failure = JournalFull("pool.db")
    log.add("a", {})
    log.after(lambda: done.append(1))
    await turns()
    log.add("b", {})
    writer.finish()
    with pytest.raises(JournalFull):
        await running
    journal.failure = None
    log.flush()
    assert done == []
    assert list(journal.read()) == []


async def test_what_is_not_json_is_refused_where_it_is_added(held):
    log, _, _ = held
    with pytest.raises(BrokenPrecondition):
        log.add("a", {"bytes": b""})


async def test_an_event_that_its_owner_changes_afterwards_is_written_as_it_was(held, journal):
    log, writer, _ = held
    event = {"list": [1]}
    log.add("a", event)
    event["list"].append(2)
    await turns()
    writer.finish()
    assert list(journal.read()) == [("a", {"list": [1]})]


async def test_a_full_journal_cancels_who_writes_to_it(journal):
    journal.failure = JournalFull("pool.db")

    async def writes():
        async with grouped(journal) as log:
            log.add("a", {})
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await writes()
    assert isinstance(caught.value.exceptions[0], JournalFull)


async def test_a_program_that_ends_in_peace_leaves_nothing_unwritten(tmp_path):
    journal = SqlJournal(f"sqlite:///{tmp_path}/j.db")
    async with grouped(journal) as log:
        await log.durable()
        for number in range(2000):
            log.add("a", {"n": number})
    assert [event["n"] for _, event in journal.read()] == list(range(2000))
    journal.close()


async def test_the_loop_goes_on_while_a_real_thread_writes(tmp_path):
    journal = SqlJournal(f"sqlite:///{tmp_path}/j.db")
    done = []
    async with grouped(journal) as log:
        for number in range(50):
            log.add("a", {"n": number})
            log.after(lambda n=number: done.append(n))
            await asyncio.sleep(0)
        await log.durable()
        assert done == list(range(50))
        assert len(list(log.read())) == 50
    journal.close()


def test_a_killed_pool_has_told_of_nothing_that_its_database_does_not_hold(tmp_path):
    """kill -9 while groups are being written: what was acted on is there, in order, without gaps."""
    program = (
        "import asyncio, os, sys; from poolhand.store.sql import SqlJournal\n"
        "from poolhand.store.group import grouped\n"
        "def told(n):\n"
        "    print(n, flush=True)\n"
        "    if n == 300: os.kill(os.getpid(), 9)\n"
        "async def main():\n"
        "    async with grouped(SqlJournal(sys.argv[1])) as log:\n"
        "        for n in range(10_000):\n"
        "            log.add('a', {'n': n}); log.after(lambda n=n: told(n))\n"
        "            if not n % 7: await asyncio.sleep(0)\n"
        "        await log.durable()\n"
        "asyncio.run(main())\n"
    )
    url = f"sqlite:///{tmp_path}/j.db"
    ran = subprocess.run([sys.executable, "-c", program, url], capture_output=True, check=False)
    told = [int(line) for line in ran.stdout.split()]
    journal = SqlJournal(url)
    held = [event["n"] for _, event in journal.read()]
    journal.close()
    assert told == list(range(301))
    assert held == list(range(len(held)))
    assert len(held) > 300


@asynccontextmanager
async def running(log):
    task = asyncio.create_task(log.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Orderly:
    """A log over a held writer, and what was added, asked for and done."""

    def __init__(self):
        self.journal, self.writer = MemoryJournal(), Writer()
        self.log = GroupCommit(self.journal, self.writer, most=3)
        self.added, self.asked, self.done = [], [], []

    async def add(self, number):
        self.log.add(f"s{number}", {"n": number})
        self.added.append(number)

    async def after(self, number):
        due = list(self.added)

        def act():
            held = [event["n"] for _, event in self.journal.read()]
            assert held[: len(due)] == due, "acted before its events were durable"
            self.done.append(number)

        self.asked.append(number)
        self.log.after(act)

    async def finish(self, _number=0):
        await turns()
        if self.writer.submitted:
            self.writer.finish()

    async def turn(self, _number):
        await turns()


@given(st.lists(st.sampled_from(["add", "after", "finish", "turn"]), max_size=40))
async def test_whatever_comes_in_which_order_the_law_holds(steps):
    """Every act sees all that was added before it in the journal, and acts keep their order."""
    world = Orderly()
    async with running(world.log):
        for number, step in enumerate(steps):
            await getattr(world, step)(number)
        while len(world.done) < len(world.asked):
            await world.finish()
            await turns()
    assert world.done == world.asked


async def test_a_group_that_the_writer_had_not_begun_at_the_end_is_written_all_the_same(
    held, journal
):
    log, writer, running = held
    log.add("a", {"n": 1})
    await turns()
    log.add("a", {"n": 2})
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    ((future, _, _),) = writer.submitted
    assert not future.cancelled()
    writer.finish()
    log.flush()
    assert list(journal.read()) == [("a", {"n": 1}), ("a", {"n": 2})]


async def test_others_have_their_turn_while_a_large_group_becomes_due(held):
    log, writer, _ = held
    done, most, before = [], 0, 0
    log.add("a", {"n": 0})
    for number in range(10 * ACTS):
        log.after(lambda number=number: done.append(number))
    await turns()
    writer.finish()
    while len(done) < 10 * ACTS:
        await asyncio.sleep(0)
        most, before = max(most, len(done) - before), len(done)
    assert done == list(range(10 * ACTS))
    assert most <= ACTS
