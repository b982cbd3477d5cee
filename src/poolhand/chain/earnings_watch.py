"""What an account earned, lost and spent, kept up to date from the chain.

The chain alone says so. What lies deep enough is summed up once and kept (``ports.earnings``); the
newest blocks, which may be taken back, are read anew at each look. There is a look soon after
something of the account's own happened, and now and then besides; at the first start the blocks
before it are read, too, a range at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from poolhand.chain.account_earnings import books_of
from poolhand.domain.earning_book import EarningBook, KeptEarnings
from poolhand.domain.earnings import EarningEntry
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, BlockHash
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.earnings import EarningsKeeper

BLOCKS_TO_SETTLE: Final = 64
"""Blocks after which one is not expected to be taken back."""
BLOCKS_PER_RANGE: Final = 5_000
"""Blocks that are read at once."""
BLOCKS_BEFORE_START: Final = 100_000
"""Blocks before the first start that are read: as many as ``poolhand earnings`` does."""
PAUSE_BETWEEN_BUSY_EARNING_LOOKS: Final = Seconds(5)
"""Block time between two looks while something happens."""
PAUSE_BETWEEN_IDLE_EARNING_LOOKS: Final = Seconds(300)
"""Block time between two looks while nothing does."""
LOOKS_AFTER_EVENT: Final = 2
"""Looks after something has happened: an endpoint may lag behind the one that told of it."""
PAUSE_BETWEEN_PAST_RANGES: Final = 1.0
"""Seconds between two ranges of blocks long ago: nobody waits for them."""
PAUSE_BETWEEN_EARNINGS_TRIES: Final = 10.0
"""Seconds before a chain that does not answer is asked for them again."""


@dataclass(frozen=True, slots=True)
class EarningsRead:
    """What a look has found.

    Attributes:
        book: All of it, up to the look.
        at: The time of the block of the look.
    """

    book: EarningBook
    at: UnixSeconds


class EarningsWatch:
    """Reads an account's earnings.

    Args:
        owner: Whose.
        hub: Read.
        watcher: Tells of new blocks.
        kept: Has what does not change any more.
        clock: For rests.
        boundary: Takes what a look raises.
        pools: Workerpools of the account's, whose transactions cost it gas; None: those of the
            deals that are met.
        busy_pause: Block time between two looks while something happens.
        looked: Asked to look at something else with each look; raises ChainUnreachable.

    Attributes:
        read: What the last look has found; None before the first.
    """

    def __init__(
        self,
        owner: Address,
        hub: Hub,
        watcher: Watcher,
        kept: EarningsKeeper,
        clock: Clock,
        boundary: FaultBoundary,
        pools: Collection[Address] | None = None,
        busy_pause: Seconds = PAUSE_BETWEEN_BUSY_EARNING_LOOKS,
        looked: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._owner, self._hub, self._watcher, self._keeper = owner, hub, watcher, kept
        self._clock, self._boundary = clock, boundary
        self._pools, self._busy_pause, self._also_look = pools, busy_pause, looked
        self._looks_due, self._looked = LOOKS_AFTER_EVENT, UnixSeconds(0)
        self._kept: EarningBook | None = None
        self._last_hash: BlockHash | None = None
        self._written = BlockNumber(-1)
        self.read: EarningsRead | None = None

    def stir(self) -> None:
        """Note that something of the account's has happened: the next blocks may tell of it."""
        self._looks_due = LOOKS_AFTER_EVENT

    async def keep_looking(self) -> None:
        """Look when something has happened, and now and then, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                is_busy = self._looks_due > 0
                pause = self._busy_pause if is_busy else PAUSE_BETWEEN_IDLE_EARNING_LOOKS
                if head.timestamp >= self._looked + pause or self.read is None:
                    with self._boundary.around("earnings"):
                        await self._try(head)

    async def keep_reading_back(self) -> None:
        """Read the blocks before the first start, a range at a time, to the last."""
        while self._kept is None or not self._kept.is_whole:
            pause = PAUSE_BETWEEN_PAST_RANGES
            try:
                if self._kept is not None:
                    await self._read_back(self._kept)
            except ChainUnreachable:
                pause = PAUSE_BETWEEN_EARNINGS_TRIES
            except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not its own
                self._boundary.take(fault, "earnings")
                return
            await self._clock.sleep(pause)

    async def _try(self, head: Head) -> None:
        due, self._looks_due = self._looks_due, max(self._looks_due - 1, 0)
        try:
            await self.look(head)
        except ChainUnreachable:  # that the chain is away is told elsewhere
            self._looks_due = max(due, self._looks_due)

    async def look(self, head: Head) -> None:
        """Read what is new.

        Raises:
            ChainUnreachable: No endpoint answers; what was known before stays.
        """
        kept = self._kept = self._kept or await self._begin(head)
        while kept.last < head.number - BLOCKS_TO_SETTLE:
            first = BlockNumber(kept.last + 1)
            kept = await self._add(
                first, min(head.number - BLOCKS_TO_SETTLE, first + BLOCKS_PER_RANGE - 1)
            )
        newest = BlockNumber(kept.last + 1)
        tail = await self._entries(newest, head.number)
        if self._also_look is not None:
            await self._also_look()
        book = self._kept.plus(tail, newest, head.number)
        self.read = EarningsRead(book, head.timestamp)
        self._looked = head.timestamp

    async def _begin(self, head: Head) -> EarningBook:
        """Return the book as the last run left it, or an empty one that ends before this block.

        One that does not end in a block of this chain is of another life of it, as a devnet has
        that begins anew.
        """
        known = self._keeper.read()
        if known is not None:
            self._last_hash = await self._hash_of(known.book.last)
            if self._last_hash == known.last_hash:
                self._written = known.book.last
                return known.book
        settled = BlockNumber(max(head.number - BLOCKS_TO_SETTLE, -1))
        self._last_hash = await self._hash_of(settled)
        wanted = BlockNumber(max(settled + 1 - BLOCKS_BEFORE_START, 0))
        return EarningBook(BlockNumber(settled + 1), settled, wanted=wanted)

    async def _read_back(self, kept: EarningBook) -> None:
        """Read one range before what is known."""
        last = BlockNumber(kept.first - 1)
        first = BlockNumber(max(kept.wanted, kept.first - BLOCKS_PER_RANGE))
        entries = await self._entries(first, last)
        self._keep(entries, first, last)
        if self.read is not None:
            self.read = replace(self.read, book=self.read.book.plus(entries, first, last))

    async def _add(self, first: BlockNumber, last: int) -> EarningBook:
        """Read one range after what is known."""
        until = BlockNumber(last)
        entries = await self._entries(first, until)
        self._last_hash = await self._hash_of(until)
        return self._keep(entries, first, until)

    async def _hash_of(self, block: BlockNumber) -> BlockHash | None:
        """Return the hash of a block; None where the chain, or the endpoint, has none yet."""
        found = None if block < 0 else await self._hub.block(block)
        return None if found is None else found.block_hash

    async def _entries(self, first: BlockNumber, last: BlockNumber) -> tuple[EarningEntry, ...]:
        if first > last:
            return ()
        found = await books_of(self._hub, self._owner, first, last, pools=self._pools, roles=False)
        return found.entries

    def _keep(
        self, entries: tuple[EarningEntry, ...], first: BlockNumber, last: BlockNumber
    ) -> EarningBook:
        """Add a range to what is kept, as it is now: a look and a reading back may overlap."""
        assert self._kept is not None
        before, book = self._kept, self._kept.plus(entries, first, last)
        self._kept = book
        if entries or book.first < before.first or book.last >= self._written + BLOCKS_PER_RANGE:
            if self._last_hash is not None:
                self._keeper.write(KeptEarnings(book, self._last_hash))
            self._written = book.last
        return book
