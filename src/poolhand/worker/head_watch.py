"""New blocks, as a worker sees them: what is looked at with each, and that none comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from poolhand.domain.doctor.network import CHAIN_STALLS_AFTER
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.onchain import Head
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.chain_watch import ChainWatch
from poolhand.worker.disk_watch import DiskWatch
from poolhand.worker.horizon import Horizon
from poolhand.worker.idle import show_moment
from poolhand.worker.wallet_watch import WalletWatch

PAUSE_BETWEEN_HEAD_LOOKS: Final = Seconds(10)
"""Block time between two looks at everything that is held."""

log = structlog.get_logger()


class HeadWatch:
    """Follows the chain's newest block.

    Args:
        watcher: Tells of it.
        tasks: Looked at every ten seconds of block time.
        wallet: Looked at with every block.
        disk: The same.
        horizon: Told of it.
        clock: By which a chain stands still.
        boundary: Takes what a look raises.
        outage: Told when the chain is out of reach.
        stalled: Told why nothing can be sent while no block comes, and None when one does.

    Attributes:
        head: The newest block seen.
        stalled_since: When it was seen (Unix seconds by our clock), while no other follows.
    """

    def __init__(
        self,
        watcher: Watcher,
        tasks: ChainWatch,
        wallet: WalletWatch,
        disk: DiskWatch,
        horizon: Horizon,
        clock: Clock,
        boundary: FaultBoundary,
        outage: OutageLog,
        stalled: Callable[[str | None], None],
    ) -> None:
        self._watcher, self._tasks, self._wallet, self._disk = watcher, tasks, wallet, disk
        self._horizon, self._clock, self._boundary = horizon, clock, boundary
        self._outage, self._stalled = outage, stalled
        self._patrolled = UnixSeconds(0)
        self._seen, self._heard = clock.now(), clock.steady()
        self.head: Head | None = None
        self.stalled_since: UnixSeconds | None = None

    @property
    def trouble(self) -> str:
        """Why the chain cannot be read at present, for a person; empty when it can."""
        return self._watcher.trouble

    async def follow_heads(self) -> None:
        """Patrol, and look at wallet and disk, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                self._saw(head)
                await self._patrol(head)

    async def watch_for_heads(self) -> None:
        """Say so when the chain stands still, or cannot be seen, for ever."""
        while True:
            await self._clock.sleep(CHAIN_STALLS_AFTER / 4)
            if (
                self.stalled_since is None
                and self._clock.steady() >= self._heard + CHAIN_STALLS_AFTER
            ):
                self.stalled_since = self._seen
                reason = _no_block(self.head, self._seen)
                log.error("chain_stalled", cause=reason)
                self._stalled(reason)

    def _saw(self, head: Head) -> None:
        before, self._heard = self._heard, self._clock.steady()
        self.head, self._seen = head, self._clock.now()
        if self.stalled_since is not None:
            log.info("chain_moves", block=head.number, seconds=self._heard - before)
            self.stalled_since = None
            self._stalled(None)

    async def _patrol(self, head: Head) -> None:
        self._horizon.saw(head.number)
        if head.timestamp >= self._patrolled + PAUSE_BETWEEN_HEAD_LOOKS:
            self._patrolled = head.timestamp
            self._tasks.look_at_all()
        self._tasks.look_where_in_doubt()
        with self._boundary.around("disk"):
            self._disk.look()
        with self._boundary.around("wallet"):
            await self._look_at_wallet(head)

    async def _look_at_wallet(self, head: Head) -> None:
        try:
            await self._wallet.look(head)
        except ChainUnreachable as fault:
            self._outage.tell(fault)
        else:
            self._outage.over()


def _no_block(head: Head | None, since: UnixSeconds) -> str:
    """Say for how long the chain has shown nothing new."""
    last = "no block" if head is None else f"no block after {head.number}"
    return (
        f"the chain stands still or is out of reach: {last} since {show_moment(since)}; nothing "
        "can be contributed or revealed"
    )
