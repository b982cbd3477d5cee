"""Tells the worker's owner of what they must see to: gas, stake, version, a worker that is off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from poolhand.domain.notices import MOST_NOTICE_TEXT, NoticeBook, NoticeKind, WorkerNotice
from poolhand.domain.text import shown
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.ports.clock import Clock
from poolhand.ports.notifier import Notifier
from poolhand.worker.standing import Hold, WorkerStanding
from poolhand.worker.told_loss import ToldLoss
from poolhand.worker.told_version import ToldVersions

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
        told_loss: Of how much lost stake the owner knows.
        newer: Tells of a newer version (see ``Upgrader.show``); None: none is known.
        told_versions: Of which the owner knows.
    """

    def __init__(
        self,
        name: str,
        standing: WorkerStanding,
        lost: Callable[[], NanoRlc | None],
        notifier: Notifier,
        is_wanted: Callable[[], bool],
        clock: Clock,
        told_loss: ToldLoss,
        newer: Callable[[], Mapping[str, Any] | None],
        told_versions: ToldVersions,
    ) -> None:
        self._name, self._standing, self._lost = name, standing, lost
        self._notifier, self._is_wanted, self._clock = notifier, is_wanted, clock
        self._book = NoticeBook()
        self._told_loss, self._newer, self._told_versions = told_loss, newer, told_versions
        self._known_version = ""

    async def keep_looking(self) -> None:
        """Look now and then, for ever."""
        while True:
            await self._clock.sleep(PAUSE_BETWEEN_TROUBLE_LOOKS)
            await self.look()

    async def look(self) -> None:
        """Look once, and tell what is due."""
        lost = self._lost()
        if self._told_loss.lost is None or not self._is_wanted():
            self._told_loss.note(lost)  # what was lost before is no news
        if not self._is_wanted():
            return
        for kind, text in self._book.due(self._troubles(lost), self._clock.steady()):
            if kind is NoticeKind.NEWER_VERSION and not self._is_news():
                continue
            brought = await self._tell(kind, text)
            if all(fault is not None for fault in brought.values()):
                self._book.unbrought(kind, self._clock.steady())
                if kind is NoticeKind.NEWER_VERSION:
                    self._told_versions.give_back(self._known_version)
                    self._known_version = ""
            elif kind is NoticeKind.STAKE_LOST:
                self._told_loss.note(lost)

    async def test(self) -> Mapping[str, str | None]:
        """Bring a notice that says nothing but that notices arrive; returns what came of it."""
        return await self._tell(NoticeKind.TEST, "Notices of this worker arrive here.")

    async def _tell(self, kind: NoticeKind, text: str) -> Mapping[str, str | None]:
        clean = shown(text, MOST_NOTICE_TEXT)
        notice = WorkerNotice(kind, self._name, clean, self._clock.now())
        brought = await self._notifier.bring(notice)
        for target, fault in brought.items():
            if fault is None:
                log.info("notice_brought", kind=kind, target=target)
            else:
                log.warning("notice_not_brought", kind=kind, target=target, cause=fault)
        return brought

    def _is_news(self) -> bool:
        """Note the newer version as told; False where another worker has told it."""
        newer = self._newer()
        if newer is None:
            return False
        self._known_version = str(newer["version"])
        return self._told_versions.claim(self._known_version)

    def _troubles(self, lost: NanoRlc | None) -> Mapping[NoticeKind, str]:
        standing, found = self._standing, dict[NoticeKind, str]()
        if Hold.GAS in standing.holds:
            found[NoticeKind.OUT_OF_GAS] = standing.holds[Hold.GAS]
        if standing.refused and OUTDATED_CODE in (standing.problem or ""):
            found[NoticeKind.OUTDATED] = standing.problem or ""
        elif not standing.connected and standing.away_since is not None:
            found[NoticeKind.OFFLINE] = f"no session with the pool: {standing.problem}"
        elif Hold.CHAIN in standing.holds:
            found[NoticeKind.OFFLINE] = standing.holds[Hold.CHAIN]
        newer = self._newer()
        if newer is not None and not newer["by_itself"] and newer["version"] != self._known_version:
            found[NoticeKind.NEWER_VERSION] = (
                f"the pool gives version {newer['version']}, signed by {newer['signed_by']}: "
                "`poolhand worker upgrade` (of a fleet, `poolhand fleet upgrade`) shows and "
                "installs it; all workers of this computer are meant, and it is told once"
            )
        untold = NanoRlc((lost or 0) - (self._told_loss.lost or 0))
        if untold > 0:
            found[NoticeKind.STAKE_LOST] = (
                f"{show_rlc(untold)} RLC of stake was lost: `poolhand earnings --by task` shows "
                "for which task, `poolhand worker status` what the worker does"
            )
        return found
