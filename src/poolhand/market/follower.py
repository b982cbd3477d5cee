"""The book follows the chain: block by block, back where it forked, on from where it stood.

The book is always that of one block, ``at``. Whoever publishes reads the chain at that block and
writes only while the book is still there (``write_at``); so no event falls between. While several
blocks are caught up with, stakes and owners are read at the newest of them: what was lost and
regained meanwhile is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Final, TypeVar

import structlog

from poolhand.domain.errors import ChainUnreachable, Unavailable
from poolhand.domain.market.book import BookOrder, traits_of
from poolhand.domain.market.deals import MarketCategory, MarketDeal
from poolhand.domain.market.following import BlockFacts, Concerned, concerned
from poolhand.domain.market_events import CategoryCreated, MarketEvent, OrdersMatched
from poolhand.domain.onchain import Head
from poolhand.domain.signal import Signal
from poolhand.domain.units import BlockNumber
from poolhand.market.block_lock import BlockLock
from poolhand.market.changes import (
    BlockChanges,
    apply_blocks,
    judge_doubtful,
    narrowed,
    undo_fork,
)
from poolhand.market.history import history_rows
from poolhand.ports.market_chain import MarketChain, OrderClaim, SignedHash
from poolhand.store.market import following, orders
from poolhand.store.market.database import BookConnection, MarketDatabase

T = TypeVar("T")
BLOCKS_READ_SINGLY: Final = 64
"""Blocks below the newest that are read one by one, so that a fork among them is undone exactly."""
_DOUBTFUL_AT_ONCE: Final = 100
log = structlog.get_logger()


class CatchingUp(Unavailable):
    """The market reads what it has missed; until then nothing can be published."""

    def __init__(self, behind: int) -> None:
        super().__init__(f"the market still reads {behind} blocks that it missed: try again later")


class Follower:
    """Keeps a book at the chain's newest block.

    Args:
        chain: To be followed.
        database: With the book.
        chain_id: Told in what is stored of deals and categories.
        first: Where to begin if nothing was read yet: the hub's first block.

    Attributes:
        at: The block of which the book is; None before the first.
        seen: The newest block that the chain has told of.
        moved: Told when ``at`` has changed.
        written: Told when something else was written.
    """

    def __init__(
        self, chain: MarketChain, database: MarketDatabase, chain_id: int, first: BlockNumber
    ) -> None:
        self._chain, self._database = chain, database
        self._chain_id, self._first = chain_id, first
        self._lock = BlockLock()
        self.at: Head | None = None
        self.seen: Head | None = None
        self.moved: Signal[[]] = Signal()
        self.written: Signal[[]] = Signal()

    async def open(self) -> None:
        """Find where the book stands."""
        marks = await self._database.read(following.marks)
        self.at = marks[0] if marks else None

    async def caught_up(self) -> Head:
        """Bring the book to the newest block, and return that.

        Raises:
            ChainUnreachable: No endpoint answered.
            CatchingUp: There is too much to read before.
        """
        head = self.seen = await self._chain.head()
        if self.at is None or self.at.block_hash != head.block_hash:
            behind = head.number - (self._first if self.at is None else self.at.number)
            if behind > BLOCKS_READ_SINGLY:
                raise CatchingUp(behind)
            await self.advance()
        assert self.at is not None
        return self.at

    async def advance(self) -> None:
        """Bring the book to the newest block, however far that is.

        Raises:
            ChainUnreachable: No endpoint answered, or the chain forked meanwhile; go on later.
            BookUnwritable: The database did not take it.
        """
        done = False
        while not done:
            async with self._lock.alone():
                done = await self._step()

    async def write_at(self, at: Head, work: Callable[[BookConnection], T]) -> T | None:
        """Write while the book is that of ``at``; None, and nothing written, when it is not."""
        async with self._lock.shared():
            if self.at is None or self.at.block_hash != at.block_hash:
                return None
            done = await self._database.write(work)
        self.written()
        return done

    async def write(self, work: Callable[[BookConnection], T]) -> T:
        """Write whatever the block."""
        async with self._lock.shared():
            done = await self._database.write(work)
        self.written()
        return done

    # ------------------------------------------------------------------------------- one step

    async def _step(self) -> bool:
        """Read some blocks; whether the book is that of the newest one."""
        head = self.seen = await self._chain.head()
        if self.at is not None:
            if self.at.block_hash == head.block_hash or not await self._is_new(head):
                return True
            first = BlockNumber(self.at.number + 1)
        else:
            first = min(self._first, head.number)
        if head.number - first > BLOCKS_READ_SINGLY:
            await self._read_part(first, BlockNumber(head.number - BLOCKS_READ_SINGLY))
            return False
        await self._read_blocks(first, head)
        await self._judge_doubtful(head)
        return True

    async def _is_new(self, head: Head) -> bool:
        """Go back to where the chain forked, if it did; whether ``head`` brings anything new."""
        assert self.at is not None
        if head.parent_hash == self.at.block_hash:
            return True
        marks = await self._database.read(following.marks)
        below = [mark for mark in marks if mark.number <= head.number]
        if not below:
            return False  # so far behind is an endpoint, not a chain
        base = await self._newest_standing(below)
        if base is below[0]:
            is_whole = below[0].block_hash == self.at.block_hash
            return is_whole or head.number > self.at.number  # else the endpoint lags
        await self._go_back(base or marks[-1], deep=base is None)
        return True

    async def _newest_standing(self, marks: Sequence[Head]) -> Head | None:
        """Return the first of some blocks that the chain still has: mostly it is the first."""
        for some in (marks[:1], marks[1:]):
            found = await self._chain.blocks([mark.number for mark in some]) if some else []
            for mark, block in zip(some, found, strict=True):
                if block is not None and block.block_hash == mark.block_hash:
                    return mark
        return None

    async def _go_back(self, base: Head, *, deep: bool) -> None:
        assert self.at is not None
        to = BlockNumber(base.number - 1) if deep else base.number
        work = partial(undo_fork, base=to, deep=deep)
        restored = await self._database.write(work)
        log.warning("book_turned_back", from_block=self.at.number, to_block=to, open_again=restored)
        if deep:
            (found,) = await self._chain.blocks([BlockNumber(max(to, 0))])
            if found is None:
                raise ChainUnreachable(f"no endpoint has block {to}: wait until one has")
            await self._database.write(partial(following.set_mark, head=found))
        self.at = found if deep else base

    async def _read_part(self, first: BlockNumber, last: BlockNumber) -> None:
        """Read the first part of a long range; the state after it, at the end of the range."""
        state, *_ = await self._chain.blocks([last])
        if state is None:
            raise ChainUnreachable(f"no endpoint has block {last}: wait until one has")
        async for end, events in self._chain.history(first, last):
            mark, *_ = await self._chain.blocks([end])
            if mark is None:
                raise ChainUnreachable(f"no endpoint has block {end}: wait until one has")
            await self._take(events, mark, state, state)
            return

    async def _read_blocks(self, first: BlockNumber, head: Head) -> None:
        """Read the blocks up to ``head`` one by one; those without news are passed over."""
        numbers = [BlockNumber(each) for each in range(first, head.number)]
        below = await self._chain.blocks(numbers) if numbers else []
        heads = [each for each in (*below, head) if each is not None]
        self._check_linked(heads, len(numbers) + 1)
        events = await self._chain.events_of(heads)
        for block in heads:
            own = [event for event in events if event.place.block == block.number]
            if own or block is head:
                await self._take(own, block, block, head)

    def _check_linked(self, heads: Sequence[Head], wanted: int) -> None:
        linked = [self.at, *heads] if self.at is not None else heads
        is_chain = all(a.block_hash == b.parent_hash for a, b in pairwise(linked) if a and b)
        if len(heads) != wanted or not is_chain:
            raise ChainUnreachable("the chain moved while it was read: once more")

    async def _take(
        self, events: Sequence[MarketEvent], mark: Head, used_at: Head, state_at: Head
    ) -> None:
        """Write what some blocks did.

        Args:
            events: All that happened.
            mark: The last of the blocks.
            used_at: Where to read how much of orders is used up.
            state_at: Where to read stakes and owners.
        """
        known = concerned(events)
        if events:
            known = await self._database.read(partial(narrowed, found=known))
        brought = BlockChanges(
            mark,
            known,
            await self._facts(known, used_at, state_at),
            await self._deals(events, used_at),
            await self._categories(events),
            await history_rows(self._chain, events, used_at),
        )
        chain_id = self._chain_id
        work = partial(apply_blocks, brought=brought, chain_id=chain_id)
        await self._database.write(work)
        self.at = mark
        self.moved()

    async def _facts(self, known: Concerned, used_at: Head, state_at: Head) -> BlockFacts:
        assets = {asset for _, asset, _ in known.moved}
        return BlockFacts(
            consumed=await self._chain.consumed(known.matched, used_at),
            stakes=await self._chain.stakes(known.stakes, state_at),
            owners=await self._chain.owners(assets, state_at),
        )

    async def _deals(self, events: Sequence[MarketEvent], at: Head) -> tuple[MarketDeal, ...]:
        matches = [event for event in events if isinstance(event, OrdersMatched)]
        if not matches:
            return ()
        found = await self._chain.deals({event.deal_id for event in matches}, at)
        return tuple(
            MarketDeal(found[event.deal_id], event, found[event.deal_id].start_time)
            for event in matches
            if event.deal_id in found
        )

    async def _categories(self, events: Sequence[MarketEvent]) -> tuple[MarketCategory, ...]:
        made = [event for event in events if isinstance(event, CategoryCreated)]
        blocks = await self._moments(event.place.block for event in made)
        return tuple(MarketCategory(event, blocks[event.place.block].timestamp) for event in made)

    async def _moments(self, numbers: Iterable[BlockNumber]) -> dict[BlockNumber, Head]:
        wanted = sorted(set(numbers))
        found = await self._chain.blocks(wanted) if wanted else []
        blocks = {each.number: each for each in found if each is not None}
        if len(blocks) < len(wanted):
            raise ChainUnreachable("the chain moved while it was read: once more")
        return blocks

    async def _judge_doubtful(self, head: Head) -> None:
        """Judge what was published on blocks that are gone, now that the chain stands again."""
        find = partial(orders.doubtful, most=_DOUBTFUL_AT_ONCE)
        while found := await self._database.read(find):
            facts = await self._chain.order_facts([_claim(row.entry) for row in found], head)
            judged = tuple(zip(found, facts, strict=True))
            await self._database.write(partial(judge_doubtful, rows=judged, at=head))


def _claim(entry: BookOrder) -> OrderClaim:
    signed = SignedHash(entry.signer, entry.order_hash, entry.sign)
    return OrderClaim(entry.sort, traits_of(entry.order).resource, signed)
