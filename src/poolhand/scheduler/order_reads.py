"""What the chain is asked before an order is signed: once a block, whoever asks how often."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, TypeVar

from poolhand.domain.deal import Account, Deal, Workerpool
from poolhand.domain.eip712 import Domain
from poolhand.domain.ids import Address, DealId, OrderHash
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.matching import Facts
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.chain import Hub

T = TypeVar("T")
MOST_ANSWERS_OF_A_BLOCK: Final = 4096
"""Answers that are remembered: a chain may stand still for hours while strangers ask for more."""


class OrderReads:
    """Reads of the hub that are good until the chain's next block; what failed is asked again.

    Of very many the oldest answers are forgotten, and asked for again where somebody wants them.

    Whoever asks while a question is on its way waits for the same answer, so that strangers who ask
    for orders cost the pool's RPC provider no more than one question each of a few kinds a block.

    Args:
        hub: Is asked.
        now: The chain's time, which every block moves.
    """

    def __init__(self, hub: Hub, now: Callable[[], UnixSeconds]) -> None:
        self._hub, self._now = hub, now
        self._read_at = now()
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}
        self._answered: deque[Hashable] = deque()
        self._times: dict[int, Seconds] = {}

    async def workerpool(self, address: Address) -> Workerpool | None:
        """Return a workerpool; raises ChainUnreachable."""
        return await self._once(address, lambda: self._hub.workerpool(address))

    async def account(self, owner: Address) -> Account:
        """Return what an account has on the hub; raises ChainUnreachable."""

        async def read() -> Account:
            return (await self._hub.accounts([owner]))[owner]

        return await self._once(("account", owner), read)

    async def is_used(self, order: OrderHash) -> bool:
        """Whether something was bought with an order, or it was closed; raises ChainUnreachable."""
        return bool(await self.used(order))

    async def used(self, order: OrderHash) -> int:
        """Return how many tasks of an order are used up; raises ChainUnreachable."""

        async def read() -> int:
            return (await self._hub.consumed([order]))[order]

        return await self._once(order, read)

    async def deal(self, name: DealId) -> Deal | None:
        """Return a deal; raises ChainUnreachable."""
        return await self._once(name, lambda: self._hub.deal(name))

    async def categories(self) -> int:
        """Return how many categories the hub has; raises ChainUnreachable."""
        return len(await self._once("categories", self._hub.categories))

    async def category_time(self, category: int) -> Seconds:
        """Return for how long tasks of a category may compute; 0 where there is none such.

        A category never changes: it is asked for once.

        Raises ChainUnreachable.
        """
        if category not in self._times:
            found = await self._once("categories", self._hub.categories)
            self._times |= {index: each.time_ref for index, each in found.items()}
        return self._times.get(category, Seconds(0))

    async def facts(self, orders: MatchOrders, domain: Domain) -> Facts:
        """Return what the chain knows of four orders; raises ChainUnreachable."""
        app, dataset = orders.app.order.app, orders.dataset.order.dataset
        pool, requester = orders.workerpool.order.workerpool, orders.request.order.requester
        each = (orders.app, orders.dataset, orders.workerpool, orders.request)
        names = [order_hash(domain, signed.order) for signed in each]
        found = await asyncio.gather(
            self.categories(),
            self._once(("app", app), lambda: self._hub.app(app)),
            self._once(("dataset", dataset), lambda: self._hub.dataset(dataset)),
            self.workerpool(pool),
            self.account(requester),
        )
        categories, of_app, of_dataset, of_pool, account = found
        stakes = {requester: account.stake}
        if of_pool is not None:
            stakes[of_pool.owner] = (await self.account(of_pool.owner)).stake
        used = await asyncio.gather(*map(self.used, names))
        return Facts(
            domain,
            categories,
            of_app,
            of_dataset,
            of_pool,
            dict(zip(names, used, strict=True)),
            free_stake=stakes,
        )

    async def _once(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._read_at != self._now():
            self._read_at = self._now()
            self._asked.clear()
            self._answered.clear()
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.create_task(read())
            asked.add_done_callback(lambda done: self._ended(key, done))
        found: T = await asyncio.shield(asked)
        return found

    def _ended(self, key: Hashable, done: asyncio.Task[Any]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if self._asked.get(key) is not done:
            return
        if failed:
            del self._asked[key]
            return
        self._answered.append(key)
        while len(self._answered) > MOST_ANSWERS_OF_A_BLOCK:
            del self._asked[self._answered.popleft()]
