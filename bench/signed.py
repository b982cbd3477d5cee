"""A task that is bought by signature alone: its orders signed before, then the clock starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from poolhand.domain.hashes import task_id
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import EventKind
from poolhand.domain.orders.choosing import WITHOUT_DATASET, Bundle, Candidate
from poolhand.domain.orders.model import MatchOrders, OrderT, Salt, Signed
from poolhand.domain.units import BlockNumber
from poolhand.requester.requester import Requester
from poolhand.requester.wish import Wish, own_app_order, request_order
from poolhand.transport.clock import SystemEntropy

LONGEST = 120
"""Seconds after which a task is not awaited any longer."""


@dataclass
class Seen:
    """When deals and ends of tasks were seen in a block (seconds of the loop's clock)."""

    deals: dict[DealId, float] = field(default_factory=dict)
    _ends: dict[TaskId, asyncio.Future[float]] = field(default_factory=dict)

    def end(self, name: TaskId) -> asyncio.Future[float]:
        """Return when a task ends."""
        return self._ends.setdefault(name, asyncio.get_running_loop().create_future())

    async def ended(self, name: TaskId) -> float:
        """Wait for a task's end."""
        return await asyncio.wait_for(self.end(name), LONGEST)

    async def follow(self, requester: Requester, first: BlockNumber) -> None:
        """Take note, for ever."""
        loop = asyncio.get_running_loop()
        async with aclosing(requester.watch.watcher.events(None, first)) as events:  # type: ignore[type-var]
            async for event in events:
                if event.kind is EventKind.SCHEDULER_NOTICE and event.deal_id:
                    self.deals[event.deal_id] = loop.time()
                if event.kind is EventKind.TASK_FINALIZE and event.task_id:
                    self.end(event.task_id).set_result(loop.time())


@asynccontextmanager
async def following(requester: Requester) -> AsyncIterator[Seen]:
    """Follow the chain from now on."""
    seen, head = Seen(), await requester.hub.head()
    task = asyncio.create_task(seen.follow(requester, head.number))
    try:
        yield seen
    finally:
        task.cancel()


async def buy_signed(requester: Requester, wish: Wish) -> tuple[float, float]:
    """Hand one task in; return seconds to its end from there, and from its deal's block."""
    pool, loop = requester.pool, asyncio.get_running_loop()
    assert pool is not None, "a devnet has a pool"
    orders = await signed_orders(requester, wish)
    async with following(requester) as seen:
        begun = loop.time()
        sent = await pool.hand_in(orders)
        end = await seen.ended(task_id(sent.deal_id, 0))
        return end - begun, end - seen.deals[sent.deal_id]


async def signed_orders(requester: Requester, wish: Wish) -> MatchOrders:
    """Return orders of one task of an app of our own, as ``run`` would sign them."""
    assert requester.pool is not None
    buyer, domain = requester.wallet.address, requester.hub.facts.domain
    terms = (wish.category, wish.trust, wish.tag, wish.tasks)
    sold = await requester.pool.order(*terms, buyer, wish.app, by_signature=True)

    def signed(order: OrderT) -> Signed[OrderT]:
        return Signed(order, requester.wallet.signer.sign_order(domain, order))

    app = signed(own_app_order(wish, buyer, _salt()))
    bundle = Bundle(Candidate(app, wish.tasks), WITHOUT_DATASET, Candidate(sold, wish.tasks))
    return bundle.orders(signed(request_order(wish, buyer, _salt(), bundle)))


def _salt() -> Salt:
    return Salt(SystemEntropy().bytes(32))
