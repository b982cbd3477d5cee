"""What the pool's owner decides of single workers: drained, banned, let in again, told something.

A decision is durable before anybody is told of it. A worker that is away is told when it comes: one
that is banned in the refusal of its login, one that is drained by a message in each new session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from poolhand.domain.errors import Refused
from poolhand.domain.exclusion import MOST_REASON, READMITTED, Exclusion, ExclusionKind
from poolhand.domain.ids import Address
from poolhand.domain.text import checked
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.wire.handshake import WorkerBanned
from poolhand.wire.messages import OwnerMessage, WorkerBound
from poolhand.wire.session_terms import OWNER_MESSAGES

MOST_TEXT: Final = 300
"""Characters of what is said to a worker's operator."""

log = structlog.get_logger()


class WorkerNotHere(Refused):
    """Nothing can be said to a worker that is not connected."""

    http_status = 404

    def __init__(self, worker: Address) -> None:
        super().__init__(f"worker {worker} is not connected, and is not told: say it when it is")


class WorkerTooOld(Refused):
    """The worker's program knows no messages."""

    http_status = 409

    def __init__(self, worker: Address, version: str) -> None:
        super().__init__(
            f"worker {worker} is of version {version}, which cannot be told anything: its operator "
            "must update it"
        )


class EmptyText(Refused):
    """Nothing is said."""

    def __init__(self) -> None:
        super().__init__("what is the worker's operator to be told? Write it behind the address")


class OwnerWorkers:
    """Carries decisions out.

    Args:
        exclusions: Remember them.
        directory: The connected workers.
        now: The clock of this machine.
        tell: Hands a message to a worker's session.
        expel: Ends the session of a worker, with a refusal that it is told.
    """

    def __init__(
        self,
        exclusions: Exclusions,
        directory: WorkerDirectory,
        now: Callable[[], UnixSeconds],
        tell: Callable[[Address, WorkerBound], None],
        expel: Callable[[Address, WorkerBanned], None],
    ) -> None:
        self._exclusions, self._directory, self._now = exclusions, directory, now
        self._tell, self._expel = tell, expel

    async def drain(self, worker: Address, reason: str) -> Exclusion:
        """Give a worker nothing new; what it holds goes on. Ends a ban.

        Raises:
            UnfitText, TooManyExcluded: Nothing was done.
        """
        made = self._exclusion(ExclusionKind.DRAIN, reason)
        await self._exclusions.put(worker, made)
        log.info("worker_drained_by_owner", worker=str(worker), cause=made.reason)
        self.arrived(worker)
        return made

    async def ban(self, worker: Address, reason: str) -> Exclusion:
        """Let a worker in no more; what it holds is given to others.

        Raises:
            UnfitText, TooManyExcluded: Nothing was done.
        """
        made = self._exclusion(ExclusionKind.BAN, reason)
        await self._exclusions.put(worker, made)
        log.info("worker_banned", worker=str(worker), cause=made.reason)
        if self._exclusions.is_banned(worker):  # it may have been let in again meanwhile
            self._directory.drain(worker, drained=True)
            self._expel(worker, WorkerBanned(worker, made.reason))
        return made

    async def readmit(self, worker: Address) -> bool:
        """Let a worker work again; False where nothing kept it from that."""
        before = self._exclusions.of(worker)
        if not await self._exclusions.lift(worker):
            return False
        log.info("worker_readmitted", worker=str(worker))
        if self._exclusions.of(worker) is None:  # it may have been decided anew meanwhile
            self._directory.drain(worker, drained=False)
            if before is not None and before.kind is ExclusionKind.DRAIN:
                self._notify(worker, OwnerMessage(self._now(), READMITTED))
        return True

    def say(self, worker: Address, text: str) -> OwnerMessage:
        """Tell a connected worker's operator something.

        Raises:
            UnfitText, EmptyText: It is no text for a person.
            WorkerNotHere, WorkerTooOld: It cannot be told.
        """
        said = checked(text, "the message", MOST_TEXT).strip()
        if not said:
            raise EmptyText
        here = self._directory.get(worker)
        if here is None:
            raise WorkerNotHere(worker)
        if here.protocol < OWNER_MESSAGES:
            raise WorkerTooOld(worker, here.version)
        message = OwnerMessage(self._now(), said)
        log.info("worker_told", worker=str(worker), text=said)
        self._tell(worker, message)
        return message

    def arrived(self, worker: Address) -> None:
        """Have what was decided of a worker hold for one that is there, and tell it."""
        found = self._exclusions.of(worker)
        self._directory.drain(worker, drained=found is not None)
        if found is not None:
            self._notify(worker, OwnerMessage(found.since, found.sentence))

    def _notify(self, worker: Address, message: OwnerMessage) -> None:
        here = self._directory.get(worker)
        if here is not None and here.protocol >= OWNER_MESSAGES:
            self._tell(worker, message)

    def _exclusion(self, kind: ExclusionKind, reason: str) -> Exclusion:
        return Exclusion(kind, checked(reason, "the reason", MOST_REASON).strip(), self._now())
