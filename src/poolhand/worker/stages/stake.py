"""Is there stake enough for a contribution? Judged at the head of the chain alone."""

from __future__ import annotations

from contextlib import aclosing

import structlog

from poolhand.domain.deal import Account
from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds, show_rlc
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.horizon import Horizon

log = structlog.get_logger()


class StakeLook:
    """Reads the worker's stake at the head of the chain.

    Args:
        worker: Whose stake it is.
        hub: Read.
        watcher: Tells when to look again.
        retry: Waits while the chain does not answer.
        horizon: Knows which block may be taken for the newest.
        clock: By which a block is old.
    """

    def __init__(
        self,
        worker: Address,
        hub: Hub,
        watcher: Watcher,
        retry: ChainRetry,
        horizon: Horizon,
        clock: Clock,
    ) -> None:
        self._worker, self._hub, self._watcher, self._retry = worker, hub, watcher, retry
        self._horizon, self._clock = horizon, clock

    async def shortage(self, needed: NanoRlc, until: UnixSeconds) -> str | None:
        """Look at the worker's free stake until there is enough, or surely not.

        The rule is that of ``worker.horizon``: too little counts when two blocks show it, both at
        the head of the chain.

        Args:
            needed: What the deal locks (nRLC).
            until: When contributing ends (block time): then nothing is to be decided any more.

        Returns:
            What must be deposited, as a sentence; None when there is enough, or at ``until``.
        """
        first: BlockNumber | None = None
        logged = ""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                head, account = await self.at_head()
                if account.stake >= needed or head.timestamp >= until:
                    return None
                doubt = self._horizon.doubt(head, self._clock.now())
                if doubt is None and first is not None and head.number > first:
                    return _sentence(account.stake, needed)
                if doubt is None and first is None:
                    first = head.number
                cause = doubt or "another block must show it, too"
                if cause != logged:
                    logged, free = cause, account.stake
                    log.info("stake_too_low_unproven", free=free, needed=needed, cause=cause)
        raise BrokenPrecondition("the watcher of heads has ended")

    async def at_head(self) -> tuple[Head, Account]:
        """Read the worker's account at the newest block."""
        return await self._retry.ask(self._at_head)

    async def _at_head(self) -> tuple[Head, Account]:
        head = await self._hub.head()
        accounts = await self._hub.accounts([self._worker], at=head)
        return head, accounts[self._worker]


def _sentence(free: NanoRlc, needed: NanoRlc) -> str:
    missing = show_rlc(NanoRlc(needed - free))
    return (
        f"{show_rlc(free)} RLC are free, the deal locks {show_rlc(needed)} RLC: deposit "
        f"{missing} RLC (`poolhand worker deposit {missing}`)"
    )
