"""What a pool shows in one market: kept as it is wanted, whatever the market does meanwhile.

The market is asked which of the owner's orders for the pool it shows, and only the difference to
what is wanted is published or taken out: so a restart, a lost answer, a market that lost its book
or was away, and what somebody published by hand come all to the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final, NoReturn, Protocol

from poolhand.domain.errors import EndsProgram, Malformed, Refused, Unavailable
from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.for_sale import OrderForSale
from poolhand.domain.units import UnixSeconds
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Clock
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import Signer
from poolhand.transport.market_client import MarketClient
from poolhand.transport.market_faults import MarketRefused

MOST_ORDERS_LOOKED_AT: Final = 200
"""Orders of the pool that are looked at."""
PAUSE_BETWEEN_STALL_LOOKS: Final = 30
"""Seconds between two looks at a market that nothing asks for."""
REGISTERED: Final = 300
"""Seconds after which the pool says again what it is."""
AWAY: Final = 5
"""Seconds before a market that did not answer is asked again."""


class ToBeShown(Protocol):
    """What is to be shown: ``scheduler.market_sale`` knows it."""

    @property
    def shown(self) -> Mapping[OrderHash, OrderForSale]:
        """The orders to be shown."""

    @property
    def is_leaving(self) -> bool:
        """Whether the pool is to end: then markets need not know it any more."""

    def is_own(self, name: OrderHash) -> bool:
        """Whether the program signed an order; what its owner published by hand is let alone."""


class MarketStall:
    """One market.

    Args:
        client: Of the market.
        signer: The pool's owner.
        workerpool: The pool.
        clock: Lets time pass.
        fence: Asked before anything is written to the market.
        profile: What the pool says of itself there; None: nothing.

    Attributes:
        listed: The pool's orders that the market showed when it was asked last.
        refused: Why the market did not take orders.
        unregistered: Why it did not take what the pool says of itself; empty: it did.
    """

    def __init__(
        self,
        client: MarketClient,
        signer: Signer,
        workerpool: Address,
        clock: Clock,
        fence: Fence = UNFENCED,
        profile: PoolProfile | None = None,
    ) -> None:
        self._profile, self._register_at = profile, UnixSeconds(0)
        self._is_known = profile is not None
        self.unregistered = ""
        self._client, self._signer, self._pool = client, signer, workerpool
        self._clock, self._fence = clock, fence
        self._asked, self._busy = asyncio.Event(), asyncio.Lock()
        self.listed: frozenset[OrderHash] = frozenset()
        self.refused: dict[OrderHash, str] = {}
        self._outage = OutageLog(
            "market_away",
            "market_back",
            market=client.url,
            acts="operator of the market",
            next_step="bring it back: the pool publishes its orders again by itself",
        )

    @property
    def url(self) -> str:
        """Of the market."""
        return self._client.url

    @property
    def trouble(self) -> str:
        """Why the market does not answer; empty where it does."""
        return self._outage.cause

    def look_soon(self) -> None:
        """Have the market looked at: something else is wanted."""
        self._asked.set()

    async def keep(self, wanted: ToBeShown) -> NoReturn:
        """Keep the market as it is wanted, for ever."""
        while True:
            self._asked.clear()
            is_well = await self.bring(wanted)
            await self._rest(PAUSE_BETWEEN_STALL_LOOKS if is_well else AWAY, wakes=is_well)

    async def bring(self, wanted: ToBeShown) -> bool:
        """Bring the market to what is wanted, once; whether it answered."""
        try:
            async with self._busy:
                await self._bring(wanted)
        except EndsProgram:
            raise
        except (Unavailable, Malformed, Refused) as fault:
            self._outage.tell(fault)
            return False
        self._outage.over()
        return True

    async def _bring(self, wanted: ToBeShown) -> None:
        found = BookFilter(
            OrderSort.WORKERPOOL, {"workerpool": (self._pool,)}, signer=self._signer.address
        )
        every = self._client.every_order(found, MOST_ORDERS_LOOKED_AT)
        self.listed = frozenset([each.order_hash async for each in every])
        shown = wanted.shown
        self.refused = {name: why for name, why in self.refused.items() if name in shown}
        await self._take_out([n for n in self.listed if n not in shown and wanted.is_own(n)])
        for name, order in shown.items():
            if name not in self.listed:
                await self._publish(order)
        await (self._unregister() if wanted.is_leaving else self._register())

    async def _unregister(self) -> None:
        """Have the pool forgotten, once."""
        if self._profile is None or not self._is_known:
            return
        self._fence.check()
        with suppress(MarketRefused):  # not ours any more, or a market that forgets nobody
            await self._client.unregister(self._profile.workerpool, self._signer)
        self._is_known, self._register_at = False, UnixSeconds(0)

    async def _register(self) -> None:
        """Say what the pool is, now and then: the market may have lost it."""
        if self._profile is None or self._clock.steady() < self._register_at:
            return
        self._fence.check()
        try:
            await self._client.register(self._profile, self._signer)
            self.unregistered, self._is_known = "", True
        except MarketRefused as fault:
            self.unregistered = str(fault)
        self._register_at = UnixSeconds(self._clock.steady() + REGISTERED)

    async def _take_out(self, names: Collection[OrderHash]) -> None:
        for name in names:
            self._fence.check()
            with suppress(MarketRefused):  # used up or cancelled since it was asked
                await self._client.unpublish(OrderSort.WORKERPOOL, name, self._signer)
            self.listed -= {name}

    async def _publish(self, order: OrderForSale) -> None:
        self._fence.check()
        try:
            await self._client.publish(order.signed, self._signer)
        except EndsProgram:
            raise
        except MarketRefused as fault:
            self.refused[order.order_hash] = str(fault)
            return
        self.refused.pop(order.order_hash, None)
        self.listed |= {order.order_hash}

    async def _rest(self, seconds: float, *, wakes: bool) -> None:
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        woken = asyncio.ensure_future(self._asked.wait())
        waits = (pause, woken) if wakes else (pause,)
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            woken.cancel()
