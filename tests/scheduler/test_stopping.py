"""A pool that is told to stop: its workers hear of it, its journal has everything, it ends at once."""

from __future__ import annotations

import asyncio

import pytest
from pool_front import Front
from pool_world import TO_COMPUTED, PoolWorld, S, first_task

from poolhand.domain.returns import RETURN
from poolhand.keys.lock import WalletLock
from poolhand.ports.lead import UNFENCED, LeadLost
from poolhand.scheduler.composition import Scheduler
from poolhand.scheduler.main import _serve
from poolhand.store.memory import MemoryJournal
from poolhand.transport.asgi import bind, port_of
from poolhand.transport.clock import SeededEntropy, SystemClock
from poolhand.wire.handshake import PoolFacts
from poolhand.wire.messages import AcknowledgeReports, Close, OfferTask

TIME_LIMIT = 10
"""Seconds that a stop may take on a busy machine; it waits for nobody."""


def scheduler_of(world, journal):
    pool, chain = world.pool, world.chain
    return Scheduler(
        pool.settings, chain.hub, chain.watcher, chain.sender(pool.wallet), pool.wallet, journal,
        SystemClock(), SeededEntropy(), None,
    )  # fmt: skip


class Served:
    """A scheduler as ``poolhand pool serve`` runs it, on a journal that outlives it."""

    def __init__(self, world, journal, port=0, fence=UNFENCED):
        self.listener = listener = bind("127.0.0.1", port)
        url = f"http://127.0.0.1:{port_of(listener)}"
        self.scheduler = scheduler_of(world, journal)
        self.facts = PoolFacts(31337, world.chain.facts.hub, world.workerpool, url)
        self.up = asyncio.Event()
        self.lock = WalletLock(world._folder / "locks", world.owner.address)
        self.lock.acquire()
        serving = _serve(
            self.scheduler, world.owner, self.lock, self.facts, listener, lambda _: self.up.set(),
            fence=fence,
        )  # fmt: skip
        self.task = asyncio.ensure_future(serving)
        self.front = Front(world, self.facts)

    async def stop(self):
        self.task.cancel()
        async with asyncio.timeout(TIME_LIMIT):
            await asyncio.gather(self.task, return_exceptions=True)
        self.lock.release()


async def test_a_stopped_pool_says_so_to_its_workers_and_has_everything_in_its_journal(tmp_path):
    world, journal = PoolWorld(tmp_path, quick=True), MemoryJournal()
    world.clock = SystemClock()
    served = Served(world, journal)
    await served.up.wait()
    async with served.front.dial(world.hire().wallet) as line:
        world.chain.submit(world.requester.address, world.orders(1, 1))
        world.chain.mine()
        task = (await line.hears(OfferTask)).task_id
        await line.tells(task, *TO_COMPUTED)
        while (await line.hears(AcknowledgeReports)).count < len(TO_COMPUTED):
            pass
        stopping = asyncio.ensure_future(served.stop())
        assert (await line.hears(Close)).code == "restarting"
        await stopping
    again = scheduler_of(world, journal.reopened())
    again.engine.recover()
    (attempt,) = again.engine.tasks[task].attempts
    assert attempt.status is S.COMPUTED
    (deal,) = world.chain.state.deals.values()
    assert task == first_task(deal)


async def test_many_workers_are_told_and_the_stop_waits_for_none_of_them(tmp_path):
    world = PoolWorld(tmp_path)
    world.clock = SystemClock()
    served = Served(world, MemoryJournal())
    await served.up.wait()
    lines = [served.front.dial(world.hire().wallet) for _ in range(40)]
    opened = [await line.__aenter__() for line in lines]
    stopping = asyncio.ensure_future(served.stop())
    told = await asyncio.gather(*(line.hears(Close) for line in opened))
    assert {close.code for close in told} == {"restarting"}
    await stopping
    for line in lines:
        await line.__aexit__(None, None, None)


# --------------------------------------------------------------------------- after the start


async def test_a_worker_that_does_not_come_back_to_a_restarted_pool_is_replaced(pool):
    world = await pool(quick=True)
    gone = await world.hired()
    task = first_task(await world.deal())
    await gone.reports(task, *TO_COMPUTED[:-1])
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    other = await world.hired()
    await world.step(RETURN - 1)
    assert world.status(task, gone) is S.COMPUTING
    assert world.status(task, other) is None
    await world.step()
    assert world.status(task, gone) is S.WORKER_LOST
    assert world.status(task, other) is S.CREATED


async def test_a_worker_that_comes_back_to_a_restarted_pool_keeps_its_task(pool):
    world = await pool(quick=True)
    worker = await world.hired()
    task = first_task(await world.deal())
    await worker.reports(task, *TO_COMPUTED[:-1])
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    await worker.arrives()
    other = await world.hired()
    await world.step(RETURN + 1)
    assert world.status(task, worker) is S.COMPUTING
    assert world.status(task, other) is None


class Lost:
    """The fence of a process that lost the lead."""

    def check(self):
        raise LeadLost("two took the lead")


async def test_a_pool_that_loses_its_lead_while_it_waits_for_its_chain_ends(tmp_path):
    """Else it could not stand by for the one that leads now."""
    world = PoolWorld(tmp_path)
    world.clock = SystemClock()
    world.chain.outage = True
    served = Served(world, MemoryJournal(), fence=Lost())
    async with asyncio.timeout(TIME_LIMIT):
        with pytest.raises(ExceptionGroup) as ended:
            await served.task
    assert ended.group_contains(LeadLost)
    served.listener.close()
    served.lock.release()
