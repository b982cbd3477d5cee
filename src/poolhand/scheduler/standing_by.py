"""A pool that stands by for another process of it, until it leads itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from poolhand.domain.errors import Unavailable
from poolhand.domain.lead import LEAD_LEASE, Leader, Sighting, StandbyStep, Watching
from poolhand.keys.errors import WalletInUse
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.lead import Fence, LeadLost
from poolhand.store.errors import JournalLocked, JournalUnreadable, JournalUnwritable
from poolhand.store.lease import Lease, boot_seconds
from poolhand.store.roles import RoleForbidden
from poolhand.store.sql import SqlJournal

PAUSE_BETWEEN_LEADER_LOOKS: Final = 0.25
"""Seconds between two looks at who leads."""

T = TypeVar("T")
log = structlog.get_logger()


class SessionLasts(Unavailable):
    """The session of a silent leader was to end, and did not."""

    def __init__(self, process: int) -> None:
        super().__init__(
            f"the silent leader's session (server process {process}) was told to end and does not: "
            "on the database's machine, look whether that process is frozen, and end it"
        )


PASSING: Final = (
    WalletInUse,
    JournalLocked,
    JournalUnreadable,
    JournalUnwritable,
    RoleForbidden,
    LeadLost,
    SessionLasts,
)
"""What keeps a process from leading now, and need not for ever: it has done nothing yet."""


class LeadSight(Protocol):
    """What is seen of who leads: ``store.sql_reader.SqlReader``."""

    def sight(self) -> Sighting:
        """Look who leads; raises JournalUnreadable."""

    def end(self, seen: Sighting) -> int:
        """End the session that was seen, unless it showed a sign of life; raises RoleForbidden."""

    def check_endable(self, seen: Sighting) -> None:
        """Do nothing where we could end the session that was seen; else raises RoleForbidden."""


class Lockable(Protocol):
    """The wallet on this machine: ``keys.lock.WalletLock``."""

    @property
    def is_held(self) -> bool:
        """Whether we hold it."""

    def acquire(self) -> None:
        """Take it; raises WalletInUse."""


@dataclass(frozen=True, slots=True)
class Lead:
    """What whoever leads writes to, and what stands before all that it sends."""

    journal: SqlJournal
    fence: Fence


class Standby:
    """Watches who leads, and takes over.

    The wallet is held on this machine too, from as early as it is free: while this process waits
    nobody here sends from the wallet that the leader uses elsewhere. It looks in a thread of its
    own: whoever asks this process for much must not keep it from taking over.

    Args:
        sight: Of the database.
        wallet: Its lock.
        begin: Opens the journal to lead; raises JournalLocked where another was faster.
        clock: As the lease's.
        pause: Seconds between two looks.
    """

    def __init__(
        self,
        sight: LeadSight,
        wallet: Lockable,
        begin: Callable[[], SqlJournal],
        clock: Callable[[], float] = boot_seconds,
        pause: float = PAUSE_BETWEEN_LEADER_LOOKS,
    ) -> None:
        self._sight, self._wallet, self._begin, self._clock = sight, wallet, begin, clock
        self._pause, self._thread = pause, ThreadPoolExecutor(1, "lead")
        self._watching, self._waits = Watching(), False
        self._ended = 0, 0.0
        self._outage = OutageLog(
            "lead_not_taken",
            "standing_by",
            acts="operator",
            next_step="what the cause says; this process goes on trying by itself",
        )

    @property
    def leader(self) -> Leader | None:
        """Who leads, as it was seen last."""
        return self._watching.seen.leader if self._watching.seen else None

    @property
    def trouble(self) -> str:
        """Why nothing is seen, or the lead cannot be taken; empty where all is well."""
        return self._outage.cause

    async def lead(self, waits: Callable[[], Awaitable[None]]) -> tuple[SqlJournal, Lease]:
        """Return journal and lease once this process leads.

        Args:
            waits: Awaited once, if another leads.

        Raises:
            WalletInUse: Nobody leads, and another program uses the wallet on this machine.
            Unavailable: The database did not answer even once.
        """
        try:
            while (taken := await self._try()) is None:
                self._hold_wallet_if_free()
                if not self._waits:
                    self._waits = True
                    self._tell()
                    await waits()
                await asyncio.sleep(self._pause)
        finally:
            self._thread.shutdown(wait=False)
        return taken

    async def _aside(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    async def _try(self) -> tuple[SqlJournal, Lease] | None:
        """Look, and do what is due; None as long as we do not lead."""
        is_first = self._watching.seen is None
        try:
            taken = await self._step()
        except PASSING as fault:
            if is_first and not isinstance(fault, JournalLocked | RoleForbidden):
                raise
            self._outage.tell(fault)
            return None
        self._outage.over()
        return taken

    def _tell(self) -> None:
        leader = self.leader
        told = {"leader": leader.holder, "address": leader.address} if leader else {}
        log.info("pool_stands_by", **told)

    async def _step(self) -> tuple[SqlJournal, Lease] | None:
        sighting = await self._aside(self._sight.sight)
        now = self._clock()
        self._watching = self._watching.look(sighting, now)
        match self._watching.decide(now):
            case StandbyStep.END:
                await self._end(sighting)
            case StandbyStep.TAKE:
                return await self._take()
            case StandbyStep.WAIT:
                await self._aside(partial(self._sight.check_endable, sighting))
        return None

    async def _end(self, seen: Sighting) -> None:
        """End the session that holds the lock; one that a frozen process serves does not end."""
        ended = await self._aside(partial(self._sight.end, seen))
        if not ended or seen.session is None:
            return
        process, now = seen.session.process, self._clock()
        if process != self._ended[0]:
            self._ended = process, now
            leader = seen.leader.holder if seen.leader else ""
            log.warning("silent_leader_ended", leader=leader, process=process)
        elif now - self._ended[1] >= LEAD_LEASE:
            raise SessionLasts(process)

    async def _take(self) -> tuple[SqlJournal, Lease]:
        if not self._wallet.is_held:
            self._wallet.acquire()
        taken = self._clock()
        journal = await self._aside(self._begin)
        lease = Lease(journal, taken, self._clock)
        try:
            await self._aside(lease.beat)  # what is migrated may take longer than a lease
        except BaseException:
            journal.close()  # it holds the lock, and whoever waits would have to end us
            raise
        log.info("lead_taken", waited=self._waits)
        return journal, lease

    def _hold_wallet_if_free(self) -> None:
        if not self._wallet.is_held:
            try:
                self._wallet.acquire()
            except WalletInUse as fault:  # the leader's, or that of somebody who sends now
                log.debug("wallet_in_use", cause=str(fault))
