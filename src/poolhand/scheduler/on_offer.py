"""What the pool could sell in markets now, of what it knows anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolhand.domain.orders.for_sale import PoolSaleTerms, room_of
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.scheduler.preflight import Preflight


class PoolOffer:
    """Reads of the pool's own state; nobody goes through workers or tasks.

    Args:
        prices: Per task by category.
        preflight: Knows what the workers reach, and their slots.
        open_tasks: Counts the tasks that are open.
        ending: Says why what was signed must never be bought again, None where it may.
        obstacles: Each says why nothing may be sold now, None where it may.
    """

    def __init__(
        self,
        prices: Mapping[int, NanoRlc],
        preflight: Preflight,
        open_tasks: Callable[[], int],
        ending: Callable[[], str | None],
        *obstacles: Callable[[], str | None],
    ) -> None:
        self._prices, self._preflight = prices, preflight
        self._open_tasks, self._ending, self._obstacles = open_tasks, ending, obstacles

    async def terms(self, stake: NanoRlc, now: UnixSeconds) -> PoolSaleTerms:
        """Return what could be sold now, with so much free stake; raises ChainUnreachable."""
        reach, open_tasks = self._preflight.trust_at, self._open_tasks()
        found = (why for obstacle in self._obstacles if (why := obstacle()) is not None)
        return PoolSaleTerms(
            now,
            self._prices,
            {category: await reach(price) for category, price in self._prices.items()},
            stake,
            room_of(self._preflight.takers.slots, open_tasks),
            open_tasks,
            next(found, None),
            self._ending(),
        )
