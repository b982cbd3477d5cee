"""What a block does to orders of the book; each rule changes nothing the second time.

Matches and closings come before stakes: a match locks stake and shrinks what the stake must cover,
in one transaction. Dead orders keep what remains of them.

Source: market API 7 (watcher), services-api-2.md A.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus, stake_needed
from poolhand.domain.market.publishing import OrderFacts
from poolhand.domain.market_events import (
    AssetMoved,
    MarketEvent,
    OrderClosed,
    OrdersMatched,
    OrderSort,
    StakeChange,
    StakeChanged,
)
from poolhand.domain.units import NanoRlc

STAKE_LEFT = frozenset({StakeChange.MOVED, StakeChange.LOCKED, StakeChange.SEIZED})
"""Changes after which an owner may have less free stake."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom and what the events of some blocks concern.

    Attributes:
        matched: Orders that deals used.
        closed: Orders that their owners cancelled.
        stakes: Who may have less free stake.
        moved: What changed hands, and from whom.
    """

    matched: frozenset[OrderHash] = frozenset()
    closed: frozenset[OrderHash] = frozenset()
    stakes: frozenset[Address] = frozenset()
    moved: frozenset[tuple[OrderSort, Address, Address]] = frozenset()


def concerned(events: Sequence[MarketEvent]) -> Concerned:
    """Return what some blocks' events concern."""
    matches = [event for event in events if isinstance(event, OrdersMatched)]
    return Concerned(
        matched=frozenset(name for event in matches for name in event.orders),
        closed=frozenset(event.order for event in events if isinstance(event, OrderClosed)),
        stakes=frozenset(
            event.owner
            for event in events
            if isinstance(event, StakeChanged)
            and event.change in STAKE_LEFT
            and event.amount
            and not event.owner.is_zero
        ),
        moved=frozenset(
            (event.sort, event.asset, event.source)
            for event in events
            if isinstance(event, AssetMoved) and not event.source.is_zero
        ),
    )


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """What the chain says after some blocks of those whom they concern.

    Attributes:
        consumed: How much of each matched order is used up.
        stakes: Free stake (nRLC).
        owners: Who owns what changed hands.
    """

    consumed: Mapping[OrderHash, int] = field(default_factory=dict)
    stakes: Mapping[Address, NanoRlc] = field(default_factory=dict)
    owners: Mapping[Address, Address] = field(default_factory=dict)


def after_match(entry: BookOrder, consumed: int) -> BookOrder:
    """Return an order of which ``consumed`` tasks are used up on chain; none ever comes back."""
    if entry.status in (BookStatus.FILLED, BookStatus.CANCELED):
        return entry
    remaining = max(min(entry.remaining, entry.order.volume - consumed), 0)
    status = entry.status if remaining else BookStatus.FILLED
    return replace(entry, remaining=remaining, status=status)


def after_close(entry: BookOrder) -> BookOrder:
    """Return an order that its owner cancelled on chain, from whatever status."""
    return replace(entry, remaining=0, status=BookStatus.CANCELED)


def after_stake(entry: BookOrder, stake: NanoRlc) -> BookOrder:
    """Return an order whose signer has ``stake`` free (nRLC); what costs nothing never dies."""
    needed = stake_needed(entry.order, entry.remaining)
    return died(entry) if stake < needed else entry


def after_move(entry: BookOrder, source: Address, owner: Address) -> BookOrder:
    """Return an order for something that left ``source`` and is now ``owner``'s."""
    return died(entry) if entry.signer == source != owner else entry


def died(entry: BookOrder) -> BookOrder:
    """Return an order that nobody could match now; only open ones die."""
    return replace(entry, status=BookStatus.DEAD) if entry.status is BookStatus.OPEN else entry


def judged_anew(entry: BookOrder, facts: OrderFacts) -> BookOrder:
    """Return an open order that was published on a block which is gone, by what now holds.

    Whether the book has what a request needs is asked besides.
    """
    if entry.status is not BookStatus.OPEN:
        return entry
    remaining = entry.order.volume - facts.consumed
    if remaining <= 0:
        return replace(entry, remaining=0, status=BookStatus.FILLED)
    fresh = replace(entry, remaining=remaining)
    if facts.owner != entry.signer or not facts.signed:
        return died(fresh)
    return after_stake(fresh, facts.stake)


def left_the_book(before: BookOrder, after: BookOrder) -> bool:
    """Whether an order was open and is not any more: then requests may lack it."""
    return before.status is BookStatus.OPEN and after.status is not BookStatus.OPEN
