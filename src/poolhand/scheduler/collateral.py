"""The pool owner's free stake: each task that is sold locks 30 % of its price of it.

Where it does not cover one task of the cheapest category, no order of the pool can be matched: the
contracts refuse the deal. So nothing is sold until the owner has deposited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

import structlog

from poolhand.domain.deal import Account
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds, show_rlc
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import Hub, Watcher

PAUSE_BETWEEN_STAKE_LOOKS: Final = Seconds(5)
"""Block time between two looks at the stake."""

log = structlog.get_logger()


class Collateral:
    """Watches the owner's account on the hub.

    Args:
        hub: Where the account is.
        owner: Of the pool.
        prices: Per task by category (nRLC).
        outage: Told when the chain is out of reach.

    Attributes:
        account: As last seen; None before the first look.
    """

    def __init__(
        self,
        hub: Hub,
        owner: Address,
        prices: Callable[[], Mapping[int, NanoRlc]],
        outage: OutageLog,
    ) -> None:
        self._hub, self._owner, self._prices, self._outage = hub, owner, prices, outage
        self._looked = UnixSeconds(0)
        self._was_short = False
        self.account: Account | None = None

    @property
    def least(self) -> NanoRlc:
        """What one task of the cheapest category locks (nRLC); 0 where nothing is sold at all."""
        return min(map(scheduler_stake, self._prices().values()), default=NanoRlc(0))

    @property
    def missing(self) -> NanoRlc:
        """What the owner must deposit before one task can be sold, as far as is known (nRLC)."""
        if self.account is None:
            return NanoRlc(0)
        return NanoRlc(max(0, self.least - self.account.stake))

    @property
    def shortage(self) -> str | None:
        """Say who must deposit how much; None while one more task can be sold."""
        if not self.missing:
            return None
        assert self.account is not None
        return (
            f"the pool's owner {self._owner} has {show_rlc(self.account.stake)} RLC of free stake, "
            f"and the cheapest task locks {show_rlc(self.least)} RLC of it (30 % of the price): "
            f"the owner must deposit at least {show_rlc(self.missing)} RLC: `poolhand account "
            f"deposit {show_rlc(self.missing)} --wallet {self._owner}`, on this machine while the "
            "pool runs"
        )

    def show(self) -> dict[str, Any]:
        """Show it for ``/health`` (nRLC)."""
        account = self.account
        return {
            "free": account.stake if account else None,
            "locked": account.locked if account else None,
            "least": self.least,
            "message": self.shortage,
        }

    async def look(self) -> None:
        """Read the account, and tell once that it is short, and once that it no longer is."""
        try:
            self.account = (await self._hub.accounts([self._owner]))[self._owner]
        except ChainUnreachable as fault:
            self._outage.tell(fault)
            return
        self._outage.over()
        is_short = self.shortage is not None
        if is_short and not self._was_short:
            log.warning("nothing_can_be_sold", cause=self.shortage)
        elif self._was_short and not is_short:
            log.info("stake_deposited", free=self.account.stake)
        self._was_short = is_short

    async def keep_watch(self, watcher: Watcher) -> None:
        """Look now and then, for ever."""
        async with aclosing(watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                if head.timestamp >= self._looked + PAUSE_BETWEEN_STAKE_LOOKS:
                    self._looked = head.timestamp
                    await self.look()
