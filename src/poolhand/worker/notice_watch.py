"""Tells the worker's owner of what they must see to: gas, stake, version, a worker that is off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from poolhand.domain.notices import NoticeBook, NoticeKind, WorkerNotice
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.ports.clock import Clock
from poolhand.ports.notifier import Notifier
from poolhand.worker.standing import Hold, WorkerStanding

PAUSE_BETWEEN_TROUBLE_LOOKS: Final = 30.0
"""Seconds."""
OUTDATED_CODE: Final = "(worker-outdated)"
"""In the words of a pool that takes newer workers only."""

log = structlog.get_logger()


class NoticeWatch:
    """Looks for troubles, and has them told.

    Args:
        name: Of the worker.
        standing: With pool and operator.
        lost: Tells the stake lost in all, by the chain (nRLC); None where it is not read yet.
        notifier: Brings notices.
        is_wanted: Tells whether anybody is to be told.
        clock: For pauses and moments.
    """

    def __init__(
        self,
        name: str,
        standing: WorkerStanding,
        lost: Callable[[], NanoRlc | None],
        notifier: Notifier,
        is_wanted: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._name, self._standing, self._lost = name, standing, lost
        self._notifier, self._is_wanted, self._clock = notifier, is_wanted, clock
        self._book = NoticeBook()
        self._known_loss: NanoRlc | None = None

    async def keep_looking(self) -> None:
        """Look now and then, for ever."""
        while True:
            await self._clock.sleep(PAUSE_BETWEEN_TROUBLE_LOOKS)
            await self.look()

    async def look(self) -> None:
        """Look once, and tell what is due."""
        troubles = self._troubles()
        if not self._is_wanted():
            return
        for kind, text in self._book.due(troubles, self._clock.steady()):
            await self._tell(kind, text)

    async def test(self) -> Mapping[str, str | None]:
        """Bring a notice that says nothing but that notices arrive; returns what came of it."""
        return await self._tell(NoticeKind.TEST, "Notices of this worker arrive here.")

    async def _tell(self, kind: NoticeKind, text: str) -> Mapping[str, str | None]:
        notice = WorkerNotice(kind, self._name, text, self._clock.now())
        brought = await self._notifier.bring(notice)
        for target, fault in brought.items():
            if fault is None:
                log.info("notice_brought", kind=kind, target=target)
            else:
                log.warning("notice_not_brought", kind=kind, target=target, cause=fault)
        return brought

    def _troubles(self) -> Mapping[NoticeKind, str]:
        standing, found = self._standing, dict[NoticeKind, str]()
        if Hold.GAS in standing.holds:
            found[NoticeKind.OUT_OF_GAS] = standing.holds[Hold.GAS]
        if standing.refused and OUTDATED_CODE in (standing.problem or ""):
            found[NoticeKind.OUTDATED] = standing.problem or ""
        elif not standing.connected and standing.away_since is not None:
            found[NoticeKind.OFFLINE] = f"no session with the pool: {standing.problem}"
        elif Hold.CHAIN in standing.holds:
            found[NoticeKind.OFFLINE] = standing.holds[Hold.CHAIN]
        lost = self._newly_lost()
        if lost:
            found[NoticeKind.STAKE_LOST] = (
                f"{show_rlc(lost)} RLC of stake was lost: `poolhand earnings --by task` shows for "
                "which task, `poolhand worker status` what the worker does"
            )
        return found

    def _newly_lost(self) -> NanoRlc:
        """Return what was lost since the last look; what was lost before the start is no news."""
        before, now = self._known_loss, self._lost()
        if now is not None:
            self._known_loss = now
        return NanoRlc(0) if before is None or now is None else NanoRlc(max(now - before, 0))
