"""Following a fake chain: each head once, each log at least once, taken back when it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from poolhand.domain.ids import Address
from poolhand.domain.onchain import Head, HubEvent
from poolhand.domain.units import BlockNumber

if TYPE_CHECKING:
    from poolhand.chain.fake.reach import Reach


class FakeWatcher:
    """Implements ``ports.chain.Watcher``; during an outage it waits."""

    def __init__(self, reach: Reach) -> None:
        self._reach, self._chain = reach, reach.chain

    @property
    def trouble(self) -> str:
        """Why nothing can be read at present; empty but for an outage."""
        return "" if self._reach.is_up else "new blocks are not being read: an outage"

    async def heads(self) -> AsyncIterator[Head]:
        """Yield each new head once; skips are allowed, going back is not."""
        last = -1
        while True:
            head = self._chain.head
            if head.number > last and self._reach.is_up:
                last = head.number
                yield head
            else:
                await self._chain.bell.wait()

    async def events(
        self, workerpool: Address | None, first: BlockNumber
    ) -> AsyncIterator[HubEvent]:
        """Yield hub events from ``first`` on, at least once, ordered, for ever."""
        told: list[HubEvent] = []
        while True:
            news = self._news(workerpool, first, told) if self._reach.is_up else []
            for event in news:
                yield event
            if not news:
                await self._chain.bell.wait()

    def _news(
        self, workerpool: Address | None, first: BlockNumber, told: list[HubEvent]
    ) -> list[HubEvent]:
        """Bring ``told`` up to date and return what changed: removals first, newest first."""
        wanted = [
            event
            for block in self._chain.blocks()
            if block.head.number >= first
            for event in block.events
            if event.concerns(workerpool)
        ]
        same = 0
        while same < min(len(told), len(wanted)) and told[same] == wanted[same]:
            same += 1
        gone = [replace(event, removed=True) for event in reversed(told[same:])]
        told[same:] = wanted[same:]
        return gone + wanted[same:]
