"""What the worker earned, lost and spent, kept up to date from the chain.

The chain alone says so. What lies deep enough is summed up once and kept (``earnings_file``); the
newest blocks, which may be taken back, are read anew at each look. There is a look soon after
something of the worker's own happened, and now and then besides; at the first start the blocks
before it are read, too, a range at a time.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from poolhand.chain.account_earnings import books_of
from poolhand.domain.earning_book import EarningBook
from poolhand.domain.earnings import EarningEntry
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Head
from poolhand.domain.trust import Score
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.earnings_file import EarningsFile

SETTLED: Final = 64
"""Blocks after which one is not expected to be taken back."""
RANGE: Final = 5_000
"""Blocks that are read at once."""
LOOKBACK: Final = 100_000
"""Blocks before its first start that a worker reads: as many as ``poolhand earnings`` does."""
SOON: Final = Seconds(5)
"""Block time between two looks while something happens."""
PATROL: Final = Seconds(300)
"""Block time between two looks while nothing does."""
LOOKS: Final = 2
"""Looks after something has happened: an endpoint may lag behind the one that told of it."""
REST: Final = 1.0
"""Seconds between two ranges of blocks long ago: nobody waits for them."""
PAUSE: Final = 10.0
"""Seconds before a chain that does not answer is asked for them again."""


class EarningsWatch:
    """Reads the worker's earnings.

    Args:
        worker: Whose.
        hub: Read.
        watcher: Tells of new blocks.
        file: Keeps what does not change any more.
        clock: For rests.
        boundary: Takes what a look raises.

    Attributes:
        book: All of it, up to the last look; None before the first.
        at: The block of that look.
        score: Of the worker then.
    """

    def __init__(
        self,
        worker: Address,
        hub: Hub,
        watcher: Watcher,
        file: EarningsFile,
        clock: Clock,
        boundary: FaultBoundary,
    ) -> None:
        self._worker, self._hub, self._watcher, self._file = worker, hub, watcher, file
        self._clock, self._boundary = clock, boundary
        self._looks_due, self._looked = LOOKS, UnixSeconds(0)
        self._kept: EarningBook | None = None
        self._written = BlockNumber(-1)
        self.book: EarningBook | None = None
        self.at: Head | None = None
        self.score: Score | None = None

    def stir(self) -> None:
        """Note that something of the worker's has happened: the next blocks may tell of it."""
        self._looks_due = LOOKS

    async def keep_looking(self) -> None:
        """Look when something has happened, and now and then, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                pause = SOON if self._looks_due else PATROL
                if head.timestamp >= self._looked + pause or self.book is None:
                    with self._boundary.around("earnings"):
                        await self._try(head)

    async def keep_reading_back(self) -> None:
        """Read the blocks before the worker's first start, a range at a time, to the last."""
        while self._kept is None or not self._kept.is_whole:
            pause = REST
            try:
                if self._kept is not None:
                    await self._read_back(self._kept)
            except ChainUnreachable:
                pause = PAUSE
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
        kept = self._kept = self._kept or self._begin(head)
        while kept.last < head.number - SETTLED:
            first = BlockNumber(kept.last + 1)
            kept = await self._add(first, min(head.number - SETTLED, first + RANGE - 1))
        newest = BlockNumber(kept.last + 1)
        tail = await self._entries(newest, head.number)
        scores = await self._hub.scores([self._worker])
        self.score = scores[self._worker]
        self.book = self._kept.plus(tail, newest, head.number)
        self.at, self._looked = head, head.timestamp

    def _begin(self, head: Head) -> EarningBook:
        """Return the book as the last run left it, or an empty one that ends before this block.

        One that is ahead of the chain is of another life of it, as a devnet has that begins anew.
        """
        known = self._file.read()
        if known is not None and known.last <= head.number:
            self._written = known.last
            return known
        settled = max(head.number - SETTLED, -1)
        wanted = BlockNumber(max(settled + 1 - LOOKBACK, 0))
        return EarningBook(BlockNumber(settled + 1), BlockNumber(settled), wanted=wanted)

    async def _read_back(self, kept: EarningBook) -> None:
        """Read one range before what is known."""
        last = BlockNumber(kept.first - 1)
        first = BlockNumber(max(kept.wanted, kept.first - RANGE))
        entries = await self._entries(first, last)
        self._keep(entries, first, last)
        if self.book is not None:
            self.book = self.book.plus(entries, first, last)

    async def _add(self, first: BlockNumber, last: int) -> EarningBook:
        """Read one range after what is known."""
        until = BlockNumber(last)
        return self._keep(await self._entries(first, until), first, until)

    async def _entries(self, first: BlockNumber, last: BlockNumber) -> tuple[EarningEntry, ...]:
        if first > last:
            return ()
        return (await books_of(self._hub, self._worker, first, last)).entries

    def _keep(
        self, entries: tuple[EarningEntry, ...], first: BlockNumber, last: BlockNumber
    ) -> EarningBook:
        """Add a range to what is kept, as it is now: a look and a reading back may overlap."""
        assert self._kept is not None
        before, book = self._kept, self._kept.plus(entries, first, last)
        self._kept = book
        if entries or book.first < before.first or book.last >= self._written + RANGE:
            self._file.write(book)
            self._written = book.last
        return book
