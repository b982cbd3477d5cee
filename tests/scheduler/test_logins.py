"""Many workers at once: no login waits for the chain, and none costs more because others are there."""

from __future__ import annotations

import asyncio

from pool_world import UNTRIED


class Counting:
    """The chain's reads, counted, and answered when the test lets them be."""

    def __init__(self, hub) -> None:
        self.hub, self.batches, self.open = hub, [], asyncio.Event()

    async def scores(self, workers):
        self.batches.append(len(workers))
        await self.open.wait()
        return await self.hub.scores(workers)

    async def accounts(self, workers):
        return await self.hub.accounts(workers)


async def test_a_login_does_not_wait_for_the_chain(pool):
    world = await pool(placement=UNTRIED)
    hub = world.scheduler.accounts._hub = Counting(world.chain.hub)
    worker = await world.hired(stake=500)
    connected = world.scheduler.directory.get(worker.address)
    assert (hub.batches, connected.stake, connected.paused) == ([1], 0, False)
    hub.open.set()
    await world.settle()
    assert world.scheduler.directory.get(worker.address).stake == 500


async def test_those_who_come_together_are_looked_up_together(pool):
    world = await pool(placement=UNTRIED)
    hub = world.scheduler.accounts._hub = Counting(world.chain.hub)
    workers = [await world.hired(stake=number) for number in range(1, 31)]
    hub.open.set()
    await world.settle()
    assert hub.batches == [1, 29]
    stakes = [world.scheduler.directory.get(each.address).stake for each in workers]
    assert stakes == list(range(1, 31))
