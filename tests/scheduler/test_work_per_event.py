"""Ten times the tasks and workers, and hardly more work for the scheduler per event: counted, not timed.

Each way by which something reaches a pool is here: what workers do, what the chain says, its own
transactions and moments. What its API is asked: ``test_work_per_question.py``; sessions below
that: ``tests/transport/test_work_per_login.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from crowded_pool import BLOCKS, MOST, crowded, quiet, same, work_of
from pool_world import RIGHT, TO_COMPUTED, first_task

from network.links import capabilities
from network.world import RLC
from poolhand.domain.app_lines import AppLine
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import TaskId, TxHash
from poolhand.domain.messages import Nonce
from poolhand.domain.onchain import ChainTaskStatus, EventKind
from poolhand.domain.replicate.events import Entry
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.machine import Assigned, CheckResult, Received, Viewed
from poolhand.domain.task.machine import Reported as Heard
from poolhand.domain.task.model import Stored
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds
from poolhand.scheduler.idle_news import IDLE_WORKERS_PER_PLAN
from poolhand.scheduler.preflight import Asked
from poolhand.transport.session_hub import Arrival
from poolhand.wire.messages import (
    About,
    Capacity,
    Conditions,
    Declined,
    Logs,
    ReportBatch,
    SchedulerBound,
    StatusReport,
    TaskOutput,
    WorkProgress,
)
from poolhand.wire.tee_messages import TeeProof

A_TRANSACTION = TxHash(bytes([5] * 32))


def held(world, worker):
    """Return the task that a worker has now."""
    (task,) = world.scheduler.engine.tasks_of(worker.address)
    return task.facts.task_id


def waiting(world):
    """Return the last task of the bag, which nobody has had."""
    bag = world.deals[0]
    task = world.scheduler.engine.tasks[task_id(bag.deal_id, bag.bot_size - 1)]
    assert not task.attempts
    return task


def says(world, worker, message):
    world.scheduler.workers.received(worker.address, message)


def reports(world, worker, *statuses):
    """What it tells beyond RUNNING, which all have told."""
    now, name = world.clock.now(), held(world, worker)
    told = tuple(StatusReport(each, now, None, None) for each in statuses)
    says(world, worker, ReportBatch(name, 1, told, None))


def arrives(world, worker):
    can = capabilities(worker)
    arrival = Arrival(worker.address, can, (), "memory", world.clock.now())
    world.scheduler.workers.connected(arrival)


# ------------------------------------------------------------------------------- what workers do


async def log_in(world, _worker):
    puppet = world.hire()
    arrives(world, puppet)
    says(world, puppet, Capacity("no"))


async def come_back(world, worker):
    arrives(world, worker)


async def lose(world, worker):
    world.scheduler.workers.lost(worker.address)


async def begin(world, worker):
    reports(world, worker, Status.APP_DOWNLOADING)


async def compute(world, worker):
    """It is free then, and is given another task."""
    reports(world, worker, *TO_COMPUTED[1:])


async def fail(world, worker):
    """It is free then, has had that task, and rests."""
    reports(world, worker, Status.FAILED)


async def make_no_sense(world, worker):
    reports(world, worker, Status.COMPLETED)


async def print_logs(world, worker):
    says(world, worker, Logs(held(world, worker), "out", "err"))


async def print_unread(world, worker):
    """Of a task that nobody reads, as after the last reader has left."""
    line = AppLine(is_error=False, text="out")
    says(world, worker, TaskOutput(held(world, worker), 0, (line,), is_last=False))


async def go_on_unread(world, worker):
    says(world, worker, WorkProgress(held(world, worker), None, 0, 1, 2, 3, None, ""))


async def pause(world, worker):
    says(world, worker, Capacity("lunch"))


async def say_in_what_apps_run(world, worker):
    says(world, worker, About("runc", 0))


async def agree(world, worker):
    says(world, worker, Conditions(Seconds(60), NanoRlc(5)))


async def decline(world, worker):
    says(world, worker, Declined(held(world, worker)))


async def prove_unasked(world, worker):
    """Evidence that nobody asked for."""
    nonce, kind = Nonce(bytes(32)), EvidenceKind.TDX
    says(world, worker, TeeProof(TeeFramework.TDX, nonce, kind, b"quote", simulated=False))


FRAMES = {
    ReportBatch: (begin, compute, fail, make_no_sense),
    Logs: (print_logs,),
    TaskOutput: (print_unread,),
    WorkProgress: (go_on_unread,),
    Capacity: (pause,),
    About: (say_in_what_apps_run,),
    Conditions: (agree,),
    Declined: (decline,),
    TeeProof: (prove_unasked,),
}

# ---------------------------------------------------------------------------- what the chain says


async def pass_a_block(world, _worker):
    """For whoever hears of blocks, though nothing happens in it."""
    world.clock.advance(1)
    world.chain.mine()


async def buy(world, _worker):
    """A deal of one task, begun and given to nobody."""
    world.chain.submit(world.requester.address, world.orders(1, 1))
    await pass_a_block(world, _worker)


def event_of(kind):
    async def notice(world, worker):
        """Something happens to a task, for whoever follows events."""
        told = next(each for known in world.chain.blocks() for each in known.events if each.task_id)
        news = replace(told, kind=kind, task_id=held(world, worker), tx_hash=A_TRANSACTION)
        await world.scheduler.chain_feed._notice(news)

    notice.__name__ = f"notice_{kind.name.lower()}"
    return notice


EVENTS_OF_TASKS = tuple(event_of(kind) for kind in EventKind if kind.name.startswith("TASK_"))

# -------------------------------------------------------------------------------- its own doing


async def put_on_chain(world, worker):
    """What is given next is initialized: signed, sent, mined, its receipt written down, seen."""
    reports(world, worker, *TO_COMPUTED[1:])
    await pass_a_block(world, worker)


async def check_a_result(world, worker):
    task = world.task(held(world, worker))
    claim = Stored(worker.address, "a link", RIGHT, b"")
    world.scheduler.check_queue.begin(task, CheckResult(claim))


async def settle(world, _worker):
    """A task is over for good, and becomes a row."""
    engine, task = world.scheduler.engine, waiting(world)
    name, head = task.facts.task_id, world.chain.head
    view = replace(world.view(name), status=ChainTaskStatus.FAILED, block=BlockNumber(head.number))
    engine.feed(name, Viewed(head.timestamp, replace(view, block_time=head.timestamp)))
    engine.retire(name)


async def receive(world, _worker):
    known = world.task(first_task(world.deals[0]))
    facts = replace(known.facts, task_id=TaskId(bytes([77] * 32)), index=10**6)
    world.scheduler.engine.receive(Received(known.now, facts))


async def sell(world, worker):
    preflight = world.scheduler.preflight
    await preflight.check(Asked(0, Trust(1)), NanoRlc(1))
    assert preflight.highest_trust > 1
    assert preflight.obstacle(world.deals[0], {worker.address}) is None


async def send_a_purchase(world, _worker):
    await world.scheduler.purchases.hand_in(world.orders(1, 1), "a caller")


WAYS = (
    log_in, come_back, lose, *(each for several in FRAMES.values() for each in several),
    pass_a_block, buy, *EVENTS_OF_TASKS, put_on_chain, check_a_result, settle, receive, sell,
    send_a_purchase,
)  # fmt: skip


UNCHANGED = {
    each.__name__ for each in (pass_a_block, log_in, begin, print_logs, print_unread, go_on_unread)
}
"""Nothing of these grows, not even as a logarithm does."""


A_MESSAGE = 3_000
"""Instructions to tell a worker that one more rests: in a small pool all may have been told."""


async def test_ten_times_the_pool_is_hardly_more_work_per_event(pool):
    works = []
    for times in (1, 10):
        world, workers = await crowded(pool, times)
        each = iter(workers)
        works.append({})
        for event in WAYS:
            await quiet(world)
            works[-1][event.__name__] = await work_of(event(world, next(each)))
            await world.settle()
    few, many = works
    most = {name: same(count) if name in UNCHANGED else MOST * count for name, count in few.items()}
    most["fail"] += IDLE_WORKERS_PER_PLAN * A_MESSAGE
    assert {name: (few[name], n) for name, n in many.items() if n > most[name]} == {}


async def bag_failed_at(world, worker, tasks):
    """A worker holds the first task of a bag, and has failed at all others, which are open still."""
    deal = await world.deal(tasks=tasks, trust=100)
    engine, now = world.scheduler.engine, world.clock.now()
    for index, name in deal.tasks():
        if not world.task(name).attempt(worker.address):
            engine.feed(name, Assigned(now, worker.address, Weight(1)))
        if index:
            engine.feed(name, Heard(now, worker.address, 0, (Entry(Status.FAILED, now),)))
    await world.settle()
    held = [task.facts.index for task in engine.tasks_of(worker.address)]
    assert held == [0]


async def test_what_a_worker_has_had_is_no_work_when_it_comes_or_goes(pool):
    """However many of its replicates have ended in tasks that are open still."""
    works = []
    for tasks in (30, 300):
        world = await pool(tasks_per_requester=10**6)
        world.chain.fund(world.requester.address, stake=10**6 * RLC)
        worker = await world.hired()
        await bag_failed_at(world, worker, tasks)
        for _ in range(BLOCKS):
            await world.step()
        works.append({})
        for event in (come_back, lose, come_back):
            works[-1][event.__name__] = await work_of(event(world, worker))
            await world.settle()
    few, many = works
    assert {name: (few[name], n) for name, n in many.items() if n > same(few[name])} == {}


def test_every_message_of_a_worker_is_counted():
    assert set(FRAMES) == set(get_args(SchedulerBound))
