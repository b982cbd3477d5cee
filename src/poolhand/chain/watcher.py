"""One reader of the hub's logs and of re-organisations, shared by everybody who follows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog

from poolhand.chain.bell import Bell
from poolhand.chain.blocks import BLOCKS_KEPT, Block, Window
from poolhand.chain.link import Query
from poolhand.chain.logs import every_event, header, scan
from poolhand.chain.refusal import NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.chain.snapshot import all_told, at_blocks
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Head, HubEvent
from poolhand.domain.units import BlockNumber
from poolhand.observe.outage_log import OutageLog

HEADERS_AT_ONCE: Final = 16
"""Missing headers asked for at once."""
PAUSE_BETWEEN_WATCHER_TRIES: Final = 0.2
"""Seconds before a try that failed is repeated without a new head."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Place:
    """How far one consumer has been told, and what could still be taken back."""

    next: BlockNumber
    forks: int
    told: list[HubEvent] = field(default_factory=list)

    def turn_back(self, window: Window) -> list[HubEvent]:
        """Go back to where the chain forked; returns what is to be taken back, newest first."""
        fresh, self.forks = window.forks_since(self.forks), window.fork_count
        for fork in fresh:
            self.next = min(self.next, fork)
        gone = [event for event in self.told if event.block >= self.next]
        kept = window.top - BLOCKS_KEPT
        self.told = [event for event in self.told if kept < event.block < self.next]
        return [replace(event, removed=True) for event in reversed(gone)]


class ChainWatcher:
    """Implements ``ports.chain.Watcher``; ``run`` must be running.

    Args:
        forked: Called when the chain was re-organised.
        confirmations: Blocks, the log's own included, before an event is told.

    Attributes:
        bell: Rung when ``window`` has changed.
    """

    def __init__(
        self, rpc: Rpc, hub: Address, forked: Callable[[], None], confirmations: int = 1
    ) -> None:
        self._rpc, self._logs, self._forked = rpc, every_event(hub), forked
        self._behind = max(confirmations, 1) - 1
        self._unfollowed = _trouble("chain_not_followed", "chain_followed")
        self._unread = _trouble("logs_unreadable", "logs_read")
        self.window, self.bell = Window(), Bell()

    @property
    def trouble(self) -> str:
        """Why blocks or logs cannot be read at present, for a person; empty when they can."""
        if self._unread.cause:
            return f"old logs are not being read: {self._unread.cause}"
        if self._unfollowed.cause:
            return f"new blocks are not being read: {self._unfollowed.cause}"
        return ""

    async def heads(self) -> AsyncIterator[Head]:
        """Yield each new head once; skips are allowed, going back is not."""
        last = heard = -1
        while True:
            heard = await self.bell.wait(heard)
            tip = self.window.tip
            if tip is not None and tip.number > last:
                last = tip.number
                yield tip

    async def events(
        self, workerpool: Address | None, first: BlockNumber
    ) -> AsyncIterator[HubEvent]:
        """Yield hub events from ``first`` on, at least once, ordered, for ever."""
        place, heard = _Place(first, self.window.fork_count), -1
        while True:
            heard = await self.bell.wait(heard)
            try:
                async for event in self._news(place):
                    if event.concerns(workerpool):
                        yield event
                self._unread.over()
            except ChainUnreachable as fault:
                self._unread.tell(fault)
                await _patiently(self.bell, heard)
                heard -= 1

    async def _news(self, place: _Place) -> AsyncIterator[HubEvent]:
        """Bring one consumer up to date; what was yielded is noted first."""
        window = self.window
        while True:
            for event in place.turn_back(window):
                yield event
            limit = window.top - self._behind
            if place.next > limit:
                return
            if place.next < window.base:
                async for event in self._history(place, min(limit, window.base - 1)):
                    yield event
                continue
            events = window.block(place.next).events
            place.next = BlockNumber(place.next + 1)
            place.told += events
            for event in events:
                yield event

    async def _history(self, place: _Place, last: int) -> AsyncIterator[HubEvent]:
        """Read what is older than the window."""
        async for end, events in scan(self._rpc, self._logs, place.next, last):
            place.next = BlockNumber(end + 1)
            place.told += events
            for event in events:
                yield event

    async def run(self) -> None:
        """Follow the chain for ever."""
        bell = self._rpc.bell
        while True:
            rings, head = bell.rings, self._rpc.newest
            try:
                if head is not None:
                    await self.advance(head)
                    self._unfollowed.over()
                await bell.wait(rings)
            except ChainUnreachable as fault:
                self._unfollowed.tell(fault)
                await _patiently(bell, rings)

    async def advance(self, head: Head) -> None:
        """Take over a head, its missing ancestors and their logs.

        A head that is the tip's ancestor, or older than all we know, changes nothing: its
        endpoint lags.

        Raises:
            ChainUnreachable: No endpoint has it all; or the chain moved meanwhile.
        """
        if self.window.holds(head.number, head.block_hash) or head.number < self.window.base:
            return
        chain = await self._ancestry(head)
        logs = await at_blocks(self._rpc, chain, partial(self._logs.of_blocks, chain), all_told)
        forks = self.window.fork_count
        self.window.extend(
            [
                Block(each, events)
                for each, events in zip(chain, logs, strict=True)
                if not isinstance(events, NodeRefusal)
            ]
        )
        if self.window.fork_count > forks:
            log.warning("chain_reorganised", first=chain[0].number, head=head.number)
            self._forked()
        self.bell.ring()

    async def _ancestry(self, head: Head) -> list[Head]:
        """Return blocks from the first unknown one to ``head``: about ``BLOCKS_KEPT`` at most."""
        chain, window = [head], self.window
        most = HEADERS_AT_ONCE if window.tip is None else BLOCKS_KEPT
        while not self._starts(chain[0]) and len(chain) < most:
            below = chain[0].number
            low = max(below - HEADERS_AT_ONCE, 0, window.top + 1 if window.top < below - 1 else 0)
            queries: list[Query[Head | None]] = [header(number) for number in range(low, below)]
            for found in reversed(await self._rpc.ask_all(queries)):
                if not isinstance(found, Head) or found.block_hash != chain[0].parent_hash:
                    raise ChainUnreachable(f"block {below - 1} was replaced while we read it")
                chain.insert(0, found)
                if self._starts(found):
                    break
        return chain

    def _starts(self, head: Head) -> bool:
        """Whether a block's parent is known, or there is none."""
        return head.number == 0 or self.window.holds(head.number - 1, head.parent_hash)


def _trouble(event: str, ended: str) -> OutageLog:
    return OutageLog(
        event,
        ended,
        acts="operator of the RPC endpoint",
        next_step="bring it back, or name another; what is missed meanwhile is read later",
    )


async def _patiently(bell: Bell, heard: int) -> None:
    """Wait for news, but not long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PAUSE_BETWEEN_WATCHER_TRIES):
            await bell.wait(heard)
