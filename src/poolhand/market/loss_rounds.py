"""Rounds of looks at requests that may have lost an order: pages between what else is written.

A page is a transaction of its own, so that whoever publishes waits for one at most; what a market
did not get to, it goes on with when it is started again.
"""

from __future__ import annotations

from typing import Final, NoReturn

import structlog

from poolhand.domain.errors import EndsProgram, Unavailable
from poolhand.market import dependants
from poolhand.market.follower import Follower
from poolhand.ports.clock import Clock
from poolhand.store.market import losses
from poolhand.store.market.database import MarketDatabase

PAUSE_BETWEEN_LOSS_ROUNDS: Final = 1
"""Seconds until it is asked again whether there is anything to look at."""
log = structlog.get_logger()


class LossRounds:
    """Looks at requests that may have lost an order, as long as there are any.

    Args:
        follower: Keeps the book.
        database: With it.
    """

    def __init__(self, follower: Follower, database: MarketDatabase) -> None:
        self._follower, self._database = follower, database

    async def keep_looking(self, clock: Clock) -> NoReturn:
        """Look at all that there are, for ever."""
        while True:
            try:
                await self.look()
            except EndsProgram:
                raise
            except Unavailable as fault:
                log.warning("requests_not_looked_at", cause=str(fault))
            await clock.sleep(PAUSE_BETWEEN_LOSS_ROUNDS)

    async def look(self) -> None:
        """Look at those that there are now.

        Raises:
            BookUnwritable: The database did not take it.
        """
        if await self._database.read(losses.next_one) is None:
            return
        while await self._follower.write(dependants.look_on):
            pass
