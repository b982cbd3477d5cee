"""What the chain's coin is worth, read now and then where the operator has said where.

A price that is older than the operator allows is none: then the fixed one holds, and where there
is none, nothing is taken, for a task might pay less than its gas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import structlog

from poolhand.domain.coin_price import PriceFeed, feed_lack
from poolhand.domain.errors import Malformed
from poolhand.domain.signal import Signal
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.clock import Clock
from poolhand.transport.plumbing import first_of
from poolhand.transport.price_client import NoPriceTold
from poolhand.worker.live_settings import LiveSettings

LONGEST_PAUSE_BETWEEN_PRICES: Final = 900.0
"""Seconds; a price that may be less old than thrice as much is read as often as that asks."""
SHORTEST_PAUSE_BETWEEN_PRICES: Final = 60.0
"""Seconds: whoever tells prices serves others, too."""
ReadsPrice: TypeAlias = Callable[[PriceFeed], Awaitable[NanoRlc]]

log = structlog.get_logger()


class PriceWatch:
    """Reads the price of the coin.

    Args:
        live: Where and how old, and the fixed one.
        read: Asks; raises NoPriceTold, Malformed.
        clock: For pauses, and for how old a price is.
        boundary: Takes what reading raises and nobody expected.
        lacks: Told why nothing may be taken, and None when it may again.

    Attributes:
        changed: Tells that another price holds.
    """

    def __init__(
        self,
        live: LiveSettings,
        read: ReadsPrice,
        clock: Clock,
        boundary: FaultBoundary,
        lacks: Callable[[str | None], None],
    ) -> None:
        self._live, self._read, self._clock, self._boundary = live, read, clock, boundary
        self._lacks = lacks
        self._feed: PriceFeed | None = None
        self._found: tuple[NanoRlc, UnixSeconds, UnixSeconds] | None = None
        self._problem: str | None = None
        self._told: str | None = None
        self._stirred = asyncio.Event()
        self.changed: Signal[[]] = Signal()
        live.changed.connect(self._stirred.set)

    @property
    def price(self) -> NanoRlc:
        """What one coin is worth (nRLC); 0: nobody has said, and gas is not counted."""
        fresh = self._fresh()
        return self._live.now.coin_price if fresh is None else fresh

    async def keep_reading(self) -> None:
        """Read it as often as its age asks, for ever."""
        while True:
            self._stirred.clear()
            with self._boundary.around("coin price"):
                await self.look()
            often = min(self._live.now.price_age / 3, LONGEST_PAUSE_BETWEEN_PRICES)
            pause = max(often, SHORTEST_PAUSE_BETWEEN_PRICES)
            await first_of(self._clock.sleep(pause), self._stir())

    async def look(self) -> None:
        """Read it once, where it is to be read, and tell what follows."""
        feed, before = self._live.now.price_feed, self.price
        if feed != self._feed:
            self._feed, self._found, self._problem = feed, None, None
        if feed is not None:
            await self._ask(feed)
        if self.price != before:
            self.changed()
        self._tell(feed)

    def show(self) -> dict[str, Any]:
        """Show it for the status page (nRLC, Unix seconds; null: nobody has said)."""
        fresh = self._fresh()
        return {
            "coin_price_nrlc": self.price or None,
            "told_by": None if fresh is None or self._feed is None else self._feed.host,
            "read_at": None if fresh is None or self._found is None else self._found[2],
            "problem": self._problem,
        }

    async def _stir(self) -> None:
        await self._stirred.wait()

    async def _ask(self, feed: PriceFeed) -> None:
        try:
            price = await self._read(feed)
        except (NoPriceTold, Malformed) as fault:
            if self._problem is None:
                log.warning("coin_price_unread", cause=str(fault), acts="operator of the worker")
            self._problem = str(fault)
            return
        if self._problem is not None:
            log.info("coin_price_read", nrlc=price)
        self._problem = None
        self._found = price, self._clock.steady(), self._clock.now()

    def _fresh(self) -> NanoRlc | None:
        """Return the price that was read, unless it is too old."""
        if self._found is None or self._live.now.price_feed is None:
            return None
        price, read, _ = self._found
        return price if self._clock.steady() - read <= self._live.now.price_age else None

    def _tell(self, feed: PriceFeed | None) -> None:
        lack = None
        if feed is not None and not self.price:
            lack = feed_lack(
                feed, self._live.now.price_age, self._problem or "it was not asked yet"
            )
        if lack != self._told:
            self._told = lack
            self._lacks(lack)
