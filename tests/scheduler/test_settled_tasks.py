"""Settled tasks become rows: they leave memory and journal, and can still be asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest
from pool_world import first_task

from machines.stories import ANN, BOB, START, assigned, facts, viewed
from network.laws import check_laws
from network.world import SimulatedNetwork
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.task.machine import Received, Ticked, is_settled
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import DAY, UnixSeconds
from poolhand.scheduler.chain_feed import REWIND, SHALLOW
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.settled import BETWEEN_PRUNINGS
from poolhand.store.memory import MemoryJournal
from poolhand.transport.asgi import application
from work import counted


async def settled(tmp_path, deals=1, tasks=1):
    """Return a network in which deals have just been completed."""
    world = SimulatedNetwork(tmp_path, slots=4, quick=True)
    await world.start()
    for _ in range(deals):
        await world.deal(tasks=tasks)
    await world.until(lambda: has_settled(world))
    return world


def has_settled(world):
    """Whether the pool has nothing more to do; workers keep theirs until the end is deep."""
    return all(is_settled(world.task(name)) for name in world.task_ids())


async def buried(world):
    """Let so many blocks pass that no re-organisation takes an end back."""
    for _ in range(SHALLOW + 2):
        await world.step()


def in_memory(world):
    return set(world.pool.scheduler.engine.tasks)


ONE_FOR_EACH = ("tally/", "earning/")
"""Sections with a stream for each worker or account, however many tasks there were."""


def streams(world):
    found = {stream for stream, _ in world.pool.journal.read()}
    return {each for each in found if not each.startswith(ONE_FOR_EACH)}


async def test_a_settled_task_leaves_memory_and_journal_once_its_end_is_deep(tmp_path):
    world = await settled(tmp_path, deals=2, tasks=2)
    names = set(world.task_ids())
    for _ in range(SHALLOW - 5):
        await world.step()
    assert in_memory(world) == names
    was = {name: world.task(name) for name in names}
    for _ in range(10):
        await world.step()
    assert in_memory(world) == set()
    assert streams(world) == set()
    archive = world.pool.journal.archive
    for name, task in was.items():
        assert replace(archive.task(name), now=task.now) == task
    scheduler = world.pool.scheduler
    assert not scheduler.deals.by_id
    assert not scheduler.deals._ids
    assert not scheduler.engine._written
    assert not scheduler.engine.pages._arrivals
    check_laws(world)
    await world.stop()


OURS = ("poolhand.scheduler", "poolhand.transport", "poolhand.domain", "poolhand.observe")
BOUNDED = {"logs", "_kept", "_due"}
"""Members that remember the newest only (logs, events for pages), or until a time has come."""


def remembering(thing, names):
    """Return where in the memory of a program tasks are keys or members, as paths of attributes."""
    found, seen, left = set(), set(), [("", thing)]
    while left:
        path, each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Mapping | set | frozenset | list | tuple | deque):
            items = [*each, *each.values()] if isinstance(each, Mapping) else each
            if any(isinstance(item, TaskId) and item in names for item in items):
                found.add(path)
            left += [(path, item) for item in items]
        elif type(each).__module__.startswith(OURS) and ".fake" not in type(each).__module__:
            slots = [s for c in type(each).__mro__ for s in getattr(c, "__slots__", ())]
            members = {s: getattr(each, s) for s in slots if hasattr(each, s)}
            members |= getattr(each, "__dict__", {})
            left += [(f"{path}.{name}", value) for name, value in members.items()]
    return found


async def test_no_part_of_a_pool_remembers_a_task_that_has_settled_for_good(tmp_path):
    """Not even one with which there was no planning, or whose deal was not read."""
    world = await settled(tmp_path, tasks=3)
    names = set(world.task_ids())
    scheduler = world.pool.scheduler
    assert any(path.endswith("engine.tasks") for path in remembering(scheduler, names))
    task = world.task(world.task_ids()[0])
    scheduler.placement._leave_out(task.facts.task_id, KeyError("no plan"))
    scheduler.placement._without_deal = {task.facts.deal_id: dict.fromkeys(names)}
    await buried(world)
    assert in_memory(world) == set()
    left = remembering(scheduler, names)
    assert {path for path in left if path.rpartition(".")[2] not in BOUNDED} == set()
    await world.stop()


async def test_a_restarted_pool_reads_what_is_open_and_begins_no_settled_task_anew(tmp_path):
    world = await settled(tmp_path)
    name = world.task_ids()[0]
    await buried(world)
    world.nodes[0].runtime.gate.clear()
    later = first_task(await world.deal())
    await world.pool.kill()
    world.pool.journal.journal.mark("deals", 2 + REWIND)  # the first deal's block is read again
    world.pool.start()
    await world.settle()
    assert in_memory(world) == {later}
    assert world.task(name).status is TaskStatus.COMPLETED
    calls = world.calls()
    world.nodes[0].runtime.gate.set()
    await world.done()
    assert len(world.calls()) > len(calls)
    check_laws(world)
    await world.stop()


async def test_a_pool_killed_at_any_point_of_it_keeps_each_task_once(tmp_path):
    """Killed before and after every commit that makes rows, again and again."""
    points = len(await points_of_burial(tmp_path / "undisturbed"))
    assert points == 11
    for point in range(1, points + 1):
        world = await settled(tmp_path / str(point), tasks=3)
        names = set(world.task_ids())
        await until_burial(world)
        world.pool.fuse.at = frozenset({len(world.pool.fuse.trace) + point})
        for _ in range(8):
            await world.step()
            if world.pool.task is None:
                world.pool.start()
                await world.settle()
        assert in_memory(world) == set(), point
        assert streams(world) == set(), point
        archive = world.pool.journal.archive
        assert {task.facts.task_id for task in archive.tasks(None, None, 9)} == names
        await world.stop()


async def until_burial(world):
    """Let blocks pass until the next will bury the tasks."""
    ends = [world.task(name).view.block for name in world.task_ids()]
    while world.chain.head.number < min(ends) + SHALLOW - 1:
        await world.step()


async def points_of_burial(folder):
    world = await settled(folder, tasks=3)
    await until_burial(world)
    before = len(world.pool.fuse.trace)
    for _ in range(8):
        await world.step()
    assert in_memory(world) == set()
    trace = world.pool.fuse.trace[before:]
    await world.stop()
    return trace


async def test_a_task_with_a_transaction_under_way_stays_until_it_is_through(tmp_path):
    world = await settled(tmp_path)
    scheduler = world.pool.scheduler
    name = world.task_ids()[0]
    scheduler.transactions._under_way[name, "finalize"] += 1
    await buried(world)
    assert in_memory(world) == {name}
    del scheduler.transactions._under_way[name, "finalize"]
    await world.step()
    assert in_memory(world) == set()
    await world.stop()


# ------------------------------------------------------------------------------------- questions


@pytest.fixture
async def asked(tmp_path):
    """A pool with three settled tasks of one deal and one at work, and a client of its API."""
    world = await settled(tmp_path, tasks=3)
    await buried(world)
    world.nodes[0].runtime.gate.clear()
    await world.deal()
    app = application("Poolhand pool", world.pool.scheduler.api("http://pool.test"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://pool.test") as client:

        async def ask(path, **query):
            answer = await client.get(path, params=query)
            assert answer.status_code == 200, answer.text
            return answer.json() if path != "/metrics" else answer.text

        yield world, ask
    world.nodes[0].runtime.gate.set()
    await world.stop()


async def test_what_the_latest_tasks_brought_their_workers_is_told(asked):
    world, ask = asked
    old = world.deals[0]
    told = await ask("/v1/summary")
    quota = old.workerpool.price * (100 - old.scheduler_percent) // 100
    assert (told["latest_tasks"], told["latest_earned"]) == (3, 3 * quota)
    assert quota > 0


async def test_a_settled_task_and_its_deal_are_shown_as_before(asked):
    world, ask = asked
    old, new = world.deals
    for _, name in old.tasks():
        shown = await ask(f"/v1/tasks/{name}")
        assert shown["status"] == "COMPLETED"
        assert [each["status"] for each in shown["replicates"]] == ["COMPLETED"]
        assert {each["call"] for each in shown["transactions"]} >= {"initialize"}
    shown = await ask(f"/v1/deals/{old.deal_id}")
    assert [task["status"] for task in shown["tasks"]] == ["COMPLETED"] * 3
    shown = await ask(f"/v1/deals/{new.deal_id}")
    assert len(shown["tasks"]) == 1


async def test_pages_go_from_what_is_at_work_to_what_has_settled(asked):
    world, ask = asked
    shown, query = [], {"limit": 2}
    while page := await ask("/v1/tasks", **query):
        shown += [task["task_id"] for task in page]
        query["before"] = shown[-1]
    assert len(shown) == len(set(shown)) == 4
    assert shown[0] == str(first_task(world.deals[1]))
    assert len(await ask("/v1/tasks", status="COMPLETED")) == 3
    assert len(await ask("/v1/tasks")) == 4
    assert await ask("/v1/tasks", status="FAILED") == []


async def test_metrics_count_what_has_settled(asked):
    world, ask = asked
    assert 'poolhand_tasks{status="COMPLETED"} 3.0' in await ask("/metrics")
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    scheduler = world.pool.scheduler
    assert scheduler.settled.count(TaskStatus.COMPLETED) == 3


async def test_what_is_older_than_the_retention_is_forgotten(tmp_path):
    world = await settled(tmp_path)
    name = world.task_ids()[0]
    await buried(world)
    final = world.deals[0].start_time + 10 * 300
    world.clock.advance(final + 365 * DAY - world.clock.now())
    await world.settle()
    assert world.pool.journal.archive.task(name) is not None
    world.clock.advance(BETWEEN_PRUNINGS + 1)
    await world.settle()
    assert world.pool.journal.archive.task(name) is None
    assert world.pool.journal.archive.deal(world.deals[0].deal_id) is None
    assert world.pool.scheduler.settled.count(TaskStatus.COMPLETED) == 0
    await world.stop()


async def test_a_retention_of_nought_keeps_for_ever(tmp_path):
    world = SimulatedNetwork(tmp_path, quick=True)
    world.pool.settings = replace(world.pool.settings, retention=0)
    await world.start()
    name = first_task(await world.deal())
    await world.until(lambda: has_settled(world))
    await buried(world)
    for _ in range(3):
        world.clock.advance(10_000 * DAY)
        await world.settle()
    assert world.pool.journal.archive.task(name) is not None
    await world.stop()


# ------------------------------------------------------------------------------------------ costs


def name_of(number):
    return TaskId(number.to_bytes(32, "big"))


def filled(tasks):
    """Return an engine with so many tasks, each with a replicate of a worker of its own."""
    engine = Engine(MemoryJournal())
    for number in range(1, tasks + 1):
        engine.receive(Received(START, replace(facts(), task_id=name_of(number))))
        worker = Address(number.to_bytes(20, "big"))
        engine.feed(name_of(number), replace(assigned(ANN)[0], worker=worker))
    return engine


def ask_everything(engine):
    name = name_of(7)
    engine.feed(name, assigned(BOB)[0])
    engine.feed(name, Ticked(UnixSeconds(START + 1)))
    list(engine.tasks_of(BOB))
    newest = engine.pages.newest(None, name_of(5))
    next(newest)
    engine.feed(name, viewed(ChainTaskStatus.FAILED))
    engine.retire(name)


def test_an_event_and_a_question_cost_no_more_with_ten_times_the_tasks():
    few, many = filled(100), filled(1000)
    works = []
    for engine in (few, many):
        with counted() as work:
            ask_everything(engine)
        works.append(work.count)
    assert works[1] <= 1.3 * works[0]
