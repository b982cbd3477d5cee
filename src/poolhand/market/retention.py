"""How long a market remembers deals that are over: a setting, and rounds that forget.

What is old is told by the chain's clock and not the computer's, which may be set. A page is a
transaction of its own, so that whoever publishes waits for one at most.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NoReturn

import structlog

from poolhand.domain.errors import EndsProgram, Unavailable
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.store.market import retention
from poolhand.store.market.database import MarketDatabase
from poolhand.store.market.retention import ForgottenAtOnce

PAUSE_BETWEEN_RETENTION_ROUNDS: Final = 600
"""Seconds until what has become old is looked for again."""
SECONDS_OF_DAY: Final = 86_400
UNSETTLED_KEPT: Final = 2
"""Times as long a deal is kept whose tasks have not all ended on chain: a stake may be locked."""
log = structlog.get_logger()


class MarketRetention:
    """Forgets deals, the stories of their tasks, and payments.

    Args:
        database: Has them.
        days: For which they are kept; 0: for ever.
        most: That goes at once.
    """

    def __init__(
        self,
        database: MarketDatabase,
        days: int,
        most: ForgottenAtOnce = ForgottenAtOnce(),
    ) -> None:
        self._database, self._days, self._most = database, days, most

    async def keep_forgetting(self, clock: Clock) -> NoReturn:
        """Forget what has become old, for ever."""
        while True:
            try:
                await self.forget()
            except EndsProgram:
                raise
            except Unavailable as fault:
                log.warning("old_deals_not_forgotten", cause=str(fault))
            await clock.sleep(PAUSE_BETWEEN_RETENTION_ROUNDS)

    async def forget(self) -> None:
        """Forget all that is old now.

        Raises:
            BookUnwritable: The database did not take it.
        """
        now = await self._database.read(retention.newest_moment)
        if now is None or not self._days:
            return
        kept = self._days * SECONDS_OF_DAY
        settled, unsettled = now - kept, now - UNSETTLED_KEPT * kept
        old = retention.OldDeals(UnixSeconds(settled), UnixSeconds(unsettled))
        place, is_more = None, True
        while is_more:
            work = partial(retention.forget_deals, old=old, after=place, most=self._most)
            place = await self._database.write(work)
            is_more = place is not None
        stakes = partial(retention.forget_stakes, before=old.settled, most=self._most)
        while await self._database.write(stakes):
            pass
