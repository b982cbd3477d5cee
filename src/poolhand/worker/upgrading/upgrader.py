"""Looks for a newer version, tells of it, and has it take over where the operator said so.

Nothing is installed unless the operator ordered that very version, or has named beforehand whose
signature is enough. It is installed while the worker works; then the worker finishes what it holds
and ends, and whoever started it tries the new version before that one takes its place.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import structlog

from poolhand import __version__
from poolhand.domain.errors import EndsProgram, PoolhandError, Refused
from poolhand.domain.ids import Address
from poolhand.domain.release import Release, UpgradeFailure, UpgradeState, is_newer
from poolhand.ports.clock import Clock, Entropy
from poolhand.transport.plumbing import first_of
from poolhand.wire.handshake import OUTDATED, Rejected
from poolhand.worker.control import Control
from poolhand.worker.upgrading.installation import InstalledElsewhere
from poolhand.worker.upgrading.takeover import Takeover

PAUSE_BETWEEN_RELEASE_LOOKS: Final = 6 * 3600.0
"""Seconds between two looks for a newer version."""
LONGEST_PAUSE_BEFORE_FIRST_LOOK: Final = 600.0
"""Seconds at most after a start: workers of one pool that start together do not ask together."""
PAUSE_AFTER_ANOTHER_INSTALLS: Final = 30.0
"""Seconds before a version is installed that another worker of this computer was installing."""

log = structlog.get_logger()


class NoSuchRelease(Refused):
    """The version that was ordered is not the one that the pool gives."""

    def __init__(self) -> None:
        super().__init__(
            "the pool gives no such version, or none that is newer: `poolhand worker upgrade` "
            "shows what it gives"
        )


class NotReplaceable(Refused):
    """This program does not replace itself; the message says what its operator does instead."""

    def __init__(self, obstacle: str) -> None:
        super().__init__(f"the worker cannot install it itself: {obstacle}")


class ReleaseSource(Protocol):
    """Where versions come from."""

    async def newest(self) -> Release:
        """Return the newest version, whose signature was checked; raises PoolhandError."""

    async def script(self, release: Release) -> bytes:
        """Return the script that installs it, whose hash was checked; raises PoolhandError."""


class Upgrader:
    """Keeps a worker new, as far as its operator lets it.

    Args:
        source: Where versions come from.
        takeover: How this program is replaced.
        trusted: Whose versions are installed without an order; None: nobody's.
        control: Ends the worker once it holds nothing.
        clock: For pauses.
        entropy: For the first pause.

    Attributes:
        release: The newest version, where it is newer than this one.
    """

    def __init__(
        self,
        source: ReleaseSource,
        takeover: Takeover,
        trusted: Address | None,
        control: Control,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._source, self._takeover, self._trusted = source, takeover, trusted
        self._control, self._clock, self._entropy = control, clock, entropy
        self._stirred = asyncio.Event()
        self._ordered: Release | None = None
        self._installing = False
        self.release: Release | None = None

    # ------------------------------------------------------------------------------ what is known

    def show(self) -> dict[str, Any] | None:
        """Tell of the newer version and how far it is; None: there is none that is known."""
        release = self.release
        if release is None:
            return None
        failure = self._failure(release)
        return {
            "version": release.version,
            "signed_by": str(release.signer),
            "wheel_sha256": release.wheel,
            "requirements_sha256": release.requirements,
            "state": self._state(),
            "by_itself": self._is_trusted(release),
            "obstacle": None if self._takeover.installation else self._takeover.obstacle,
            "failure": None if failure is None else failure.cause,
            "tries": 0 if failure is None else failure.tries,
        }

    def _state(self) -> UpgradeState:
        if self._installing:
            return UpgradeState.INSTALLING
        if self._control.successor is not None:
            return UpgradeState.FINISHING
        is_failed = self.release is not None and self._failure(self.release) is not None
        return UpgradeState.FAILED if is_failed else UpgradeState.AVAILABLE

    def _failure(self, release: Release) -> UpgradeFailure | None:
        place = self._takeover.installation
        return None if place is None else place.failure(release)

    def _is_trusted(self, release: Release) -> bool:
        return self._takeover.installation is not None and release.signer == self._trusted

    async def look(self) -> None:
        """Ask which version there is; raises PoolhandError where none is told that counts."""
        found = await self._source.newest()
        release = found if is_newer(found.version, __version__) else None
        if release is not None and release != self.release:
            log.warning(
                "newer_version_found",
                version=release.version,
                signed_by=str(release.signer),
                next_step="it takes over between tasks"
                if self._is_trusted(release)
                else "`poolhand worker upgrade` shows and installs it",
            )
        self.release = release

    # ------------------------------------------------------------------------------------- orders

    def order(self, requirements: str) -> None:
        """Install the version with this list; repeatable.

        Raises:
            NotReplaceable: This program does not replace itself.
            NoSuchRelease: It is not the one that is known to be newer.
        """
        if self._takeover.installation is None:
            raise NotReplaceable(self._takeover.obstacle)
        if self.release is None or self.release.requirements != requirements:
            raise NoSuchRelease
        self._ordered = self.release
        self._stirred.set()

    def refused(self, fault: Exception) -> bool:
        """Hear that the pool refuses this worker; whether a newer version will help by itself."""
        is_outdated = isinstance(fault, Rejected) and fault.reject.code == OUTDATED
        if not is_outdated or self._trusted is None or self._takeover.installation is None:
            return False
        self._stirred.set()
        return True

    # --------------------------------------------------------------------------------------- work

    async def keep_looking(self) -> None:
        """Look now and then, and install what may be, for ever."""
        chance = int.from_bytes(self._entropy.bytes(4), "big") / 2**32
        pause = chance * LONGEST_PAUSE_BEFORE_FIRST_LOOK
        if self._takeover.installation is not None:
            await asyncio.to_thread(self._takeover.installation.tidy)
        while True:
            await first_of(self._clock.sleep(pause), self._told_to())
            self._stirred.clear()
            if self._ordered is None:
                await self._look_quietly()
            pause = await self._upgrade()

    async def _told_to(self) -> None:
        await self._stirred.wait()

    async def _look_quietly(self) -> None:
        try:
            await self.look()
        except EndsProgram:
            raise
        except PoolhandError as fault:
            log.info("no_version_told", cause=str(fault))

    async def _upgrade(self) -> float:
        """Install a version and hand over to it, if one may be; return the pause after that (s)."""
        release, place = self._due(), self._takeover.installation
        ordered, self._ordered = self._ordered, None
        if release is None or place is None or self._control.is_draining:
            return PAUSE_BETWEEN_RELEASE_LOOKS
        self._installing = True
        try:
            await place.install(release, await self._source.script(release))
        except EndsProgram:
            raise
        except InstalledElsewhere as fault:
            log.info("upgrade_waits", version=release.version, cause=str(fault))
            self._ordered = ordered
            return PAUSE_AFTER_ANOTHER_INSTALLS
        except PoolhandError as fault:
            log.warning("upgrade_failed", version=release.version, cause=str(fault))
            place.failed(release, str(fault), self._clock.now())
        else:
            self._control.hand_over(release)
        finally:
            self._installing = False
        return PAUSE_BETWEEN_RELEASE_LOOKS

    def _due(self) -> Release | None:
        """Return the version that is to be installed now: ordered, or of whom is trusted."""
        if self._ordered is not None or self.release is None:
            return self._ordered
        failure = self._failure(self.release)
        is_due = failure is None or failure.may_try(self._clock.now())
        return self.release if self._is_trusted(self.release) and is_due else None
