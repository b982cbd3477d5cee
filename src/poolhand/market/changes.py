"""What some blocks did, written into the book: in one transaction, and twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from poolhand.domain.market.book import BookOrder
from poolhand.domain.market.deals import MarketCategory, MarketDeal
from poolhand.domain.market.following import (
    BlockFacts,
    Concerned,
    after_close,
    after_match,
    after_move,
    after_stake,
    judged_anew,
    left_the_book,
)
from poolhand.domain.market.publishing import OrderFacts
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber
from poolhand.market import dependants
from poolhand.market.history import HistoryRows
from poolhand.store.market import following, history, orders, registered
from poolhand.store.market.database import BookConnection
from poolhand.store.market.orders import BookRow


@dataclass(frozen=True, slots=True)
class BlockChanges:
    """What some blocks bring.

    Attributes:
        mark: The last of them.
        known: Whom of the book they concern.
        facts: What the chain says of these.
    """

    mark: Head
    known: Concerned
    facts: BlockFacts
    deals: tuple[MarketDeal, ...] = ()
    categories: tuple[MarketCategory, ...] = ()
    history: HistoryRows = field(default_factory=HistoryRows)


def narrowed(connection: BookConnection, found: Concerned) -> Concerned:
    """Leave out of what blocks concern all that is not in the book."""
    names = {row.entry.order_hash for row in orders.by_hashes(connection, found.matched)}
    closed = {row.entry.order_hash for row in orders.by_hashes(connection, found.closed)}
    signers = {row.entry.signer for row in orders.open_of_signers(connection, found.stakes)}
    moved = {each for each in found.moved if orders.open_of_resource(connection, *each)}
    kinds = (names, closed, signers, moved)
    return Concerned(*map(frozenset, kinds))  # type: ignore[arg-type] # in the order of its members


def apply_blocks(connection: BookConnection, brought: BlockChanges, chain_id: int) -> None:
    """Write what some blocks did to orders, their deals and categories, and how far that is."""
    following.put_categories(connection, brought.categories, chain_id)
    following.put_deals(connection, brought.deals, chain_id)
    history.put_task_steps(connection, brought.history.tasks)
    history.put_stake_steps(connection, brought.history.stakes)
    registered.put_assets(connection, brought.history.assets)
    gone: list[BookOrder] = []
    for batch in (_used(connection, brought), _moved(connection, brought)):
        gone += _write(connection, batch, brought.mark.number)
    gone += _write(connection, _poorer(connection, brought), brought.mark.number)
    dependants.lost(connection, gone, brought.mark.number)
    following.set_mark(connection, brought.mark)


def _write(
    connection: BookConnection, changes: Iterable[tuple[BookRow, BookOrder]], mark: BlockNumber
) -> Iterator[BookOrder]:
    """Write what changed; yields the orders that are not open any more."""
    for row, after in changes:
        if after == row.entry:
            continue
        orders.change(connection, row, after, mark)
        if left_the_book(row.entry, after):
            yield after


def _used(connection: BookConnection, brought: BlockChanges) -> Iterator[tuple[BookRow, BookOrder]]:
    """Yield orders that were matched or cancelled."""
    closed, consumed = brought.known.closed, brought.facts.consumed
    for row in orders.by_hashes(connection, brought.known.matched | closed):
        name = row.entry.order_hash
        used = after_match(row.entry, consumed[name]) if name in consumed else row.entry
        yield row, after_close(used) if name in closed else used


def _moved(
    connection: BookConnection, brought: BlockChanges
) -> Iterator[tuple[BookRow, BookOrder]]:
    """Yield orders of owners who gave away what they sell."""
    for sort, asset, source in brought.known.moved:
        owner = brought.facts.owners.get(asset)
        for row in orders.open_of_resource(connection, sort, asset, source) if owner else ():
            yield row, after_move(row.entry, source, owner or source)


def _poorer(
    connection: BookConnection, brought: BlockChanges
) -> Iterator[tuple[BookRow, BookOrder]]:
    """Yield orders that lock stake, of signers who may have less."""
    stakes = brought.facts.stakes
    for row in orders.open_of_signers(connection, stakes):
        yield row, after_stake(row.entry, stakes[row.entry.signer])


def undo_fork(connection: BookConnection, base: BlockNumber, *, deep: bool) -> int:
    """Take back what blocks after ``base`` did; returns how many orders are open again."""
    restored = following.go_back(connection, base, deep=deep)
    dependants.still_served(connection, restored, None)
    return len(restored)


def judge_doubtful(
    connection: BookConnection, rows: Iterable[tuple[BookRow, OrderFacts]], at: Head
) -> None:
    """Judge orders anew that were published on a block which is gone."""
    gone: list[BookOrder] = []
    for row, facts in rows:
        after = judged_anew(row.entry, facts)
        if after != row.entry:
            orders.change(connection, row, after, at.number)
        gone += [after] if left_the_book(row.entry, after) else []
        orders.settle_doubt(connection, row.n, at.number)
    dependants.lost(connection, gone, at.number)
