"""Looking at a fleet again and again, for its page: what takes long is read beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.fleet.folder import FleetFolder, FleetMember
from poolhand.cli.fleet.rows import FleetRow, earned_of, fleet_rows, sums

if TYPE_CHECKING:
    from poolhand.domain.units import NanoRlc
    from poolhand.requester.requester import Requester

PAUSE_BETWEEN_EARNED_READINGS: Final = 60.0
"""Seconds between two readings of what all wallets have earned."""


class FleetLook:
    """How all workers of a fleet stand, and what they had earned when that was read last.

    Args:
        folder: Of the fleet.
        requester: Reads the chain.
        blocks: How far back earnings are looked for; 0: not at all.
        now: Seconds, by a clock that nobody sets.
    """

    def __init__(
        self,
        folder: FleetFolder,
        requester: Requester,
        blocks: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._requester, self._blocks, self._now = folder, requester, blocks, now
        self._earned: dict[FleetMember, NanoRlc] = {}
        self._reading: asyncio.Task[None] | None = None
        self._due = 0.0

    async def __call__(self) -> dict[str, Any]:
        """Return it, for programs and for the page."""
        fleet = self._folder.read()
        if self._blocks and self._now() >= self._due and self._reading is None:
            self._reading = asyncio.create_task(self._read(fleet.members))
        rows = await fleet_rows(self._folder, fleet, self._requester, 0)
        rows = [replace(each, earned=self._earned.get(each.member)) for each in rows]
        return {
            "fleet": self._folder.name,
            "pool": fleet.url,
            "blocks": self._blocks,
            "workers": [self._told(each) for each in rows],
            "together": sums(rows),
        }

    async def close(self) -> None:
        """Read no further; repeatable."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, members: tuple[FleetMember, ...]) -> None:
        try:
            self._earned |= await earned_of(self._requester, members, self._blocks)
        finally:
            self._due, self._reading = self._now() + PAUSE_BETWEEN_EARNED_READINGS, None

    @staticmethod
    def _told(row: FleetRow) -> dict[str, Any]:
        return {**row.members(), "address": row.address}
