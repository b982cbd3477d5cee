"""A worker put together over fakes, with a deal on a fake chain: for stages, briefs and the member."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from network.world import SimulatedNetwork, T
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.onchain import Initialize
from poolhand.domain.replicate.machine import Accepted, Flow, Offer, accept
from poolhand.domain.units import UnixSeconds
from poolhand.store.memory import MemoryJournal
from poolhand.wire.messages import SchedulerBound


class Workshop:
    """One worker of a simulated network whose pool the test plays itself.

    The worker's program does not run: its stages are called one by one.
    """

    def __init__(self, folder, **terms) -> None:
        self.world = SimulatedNetwork(folder, 1, **terms)
        (self.node,) = self.world.nodes
        self.chain, self.clock = self.world.chain, self.world.clock
        self.node.tasks = asyncio.get_running_loop()  # its sender runs, the program does not
        self.told: list[SchedulerBound] = []
        self.make()
        self.chain.automine, self.chain.after_send = True, None

    def make(self, **changes) -> None:
        """Put the worker together, anew where it was before; ``changes`` are other ports."""
        tasks, journal = asyncio.get_running_loop(), MemoryJournal()
        self.worker = self.node.made(tasks, journal, link=self, **changes)
        self.stages, self.address = self.worker.stages, self.node.address

    def send(self, message) -> None:
        """Implement ``worker.reports.PoolLink``."""
        self.told.append(message)

    async def deal(self, **terms):
        self.chain.automine = False
        deal = await self.world.deal(settle=False, **terms)
        self.chain.automine = True
        return deal

    def initialize(self, deal) -> None:
        self.chain.submit(self.world.owner.address, Initialize(((deal.deal_id, deal.bot_first),)))

    def offer(self, deal, flow=Flow.STANDARD, **changes) -> Offer:
        """Offer the first task of a deal, honestly but for ``changes``."""
        index, task_id = next(deal.tasks())
        signed = self.world.owner.sign_authorization(self.address, task_id, ZERO_ADDRESS)
        return replace(Offer(task_id, deal.deal_id, index, flow, signed), **changes)

    def replicate(self, offer, **changes):
        """Return a replicate of an offer, as far along as ``changes`` say."""
        deal = self.chain.state.deals.get(offer.deal_id)
        deadline = UnixSeconds(deal.start_time + 7 * T if deal else 0)
        return replace(accept(Accepted(self.clock.now(), offer, deadline)), **changes)

    async def blocks(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(1)
            self.chain.mine()
            await self.settle()

    async def settle(self) -> None:
        await self.world.settle()


async def refusal_of(kind, work):
    """Return the message with which some work is refused."""
    with pytest.raises(kind) as caught:
        await work
    return str(caught.value)


async def done(shop, action, replicate, blocks=0):
    """Carry out a stage while some blocks pass."""
    stage = asyncio.create_task(shop.stages.perform(replicate, action))
    await shop.settle()
    await shop.blocks(blocks)
    assert stage.done(), f"{action} still waits"
    finished = stage.result()
    assert finished.action is action
    return finished
