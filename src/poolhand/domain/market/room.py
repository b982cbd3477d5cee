"""The book's room: how many orders it holds that cost nobody anything, and who gives way.

An open request, and a dead order of any sort, never went through the chain: fresh wallets sign as
many as they like. Of these each collection holds so many. All others are bounded by gas: what is
filled or cancelled went through the chain whole, and an open offer is that of an asset's owner.

When the room is full a new order takes the place of the oldest dead one, then of the open request
that offers least, of several the oldest. That gives way to a higher offer at once, and to one that
is no higher once it has stood for ``STANDS``. So nobody drives out a free request sooner by more of
them, and nobody keeps others out for longer than one such time without publishing the whole book
anew in it. What this does not protect is a low offer from higher ones, whoever makes them: their
stake must stay on the hub, but one stake stands behind all open requests of its wallet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from poolhand.domain.ids import OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus, traits_of
from poolhand.domain.market.refusals import BookFull
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc, Seconds

STANDS: Final = 600_000
"""Milliseconds that an open request stands whatever others publish that offer no more."""
MOST_PLACES: Final = 2
"""Places that one order takes where more is held than there is room for; so that comes down."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """An order that takes room.

    Attributes:
        offer: What it pays for each task in all (nRLC); None: it is dead.
        published: Milliseconds since 1970.
    """

    order_hash: OrderHash
    offer: NanoRlc | None
    published: int


FirstToGo: TypeAlias = Callable[[int], Sequence[Occupant]]
"""Tells so many occupants as give way first, never the order that is published."""


@dataclass(frozen=True, slots=True)
class BookRoom:
    """How full one collection is.

    Attributes:
        taken: Orders that take room in it.
        most: How many may.
        first: Asked only when it is full.
    """

    taken: int
    most: int
    first: FirstToGo


def takes_room(sort: OrderSort, status: BookStatus | None) -> bool:
    """Whether an order takes room; None: it is not in the book."""
    if status is BookStatus.OPEN:
        return sort is OrderSort.REQUEST
    return status is BookStatus.DEAD


def offer_of(entry: BookOrder) -> NanoRlc | None:
    """Return what an open request pays for each task: app, dataset and workerpool (nRLC).

    None: it is no request, or not open.
    """
    is_offer = entry.sort is OrderSort.REQUEST and entry.status is BookStatus.OPEN
    return traits_of(entry.order).covered if is_offer else None


def making_room(
    entry: BookOrder, before: BookOrder | None, room: BookRoom, now: int
) -> tuple[OrderHash, ...]:
    """Return the orders whose places one takes that opens now.

    Args:
        entry: The order, open.
        before: How it stood in the book; None: it was not there.
        room: Of its collection.
        now: Milliseconds since 1970.

    Raises:
        BookFull: Those that would have to go first do not give way to it.
    """
    held = before.status if before else None
    more = takes_room(entry.sort, entry.status) - takes_room(entry.sort, held)
    over = room.taken + more - room.most
    if over <= 0:
        return ()
    going = room.first(min(over, MOST_PLACES))
    for each in going:
        _check_gives_way(each, offer_of(entry) or NanoRlc(0), room.most, now)
    return tuple(each.order_hash for each in going)


def _check_gives_way(held: Occupant, offer: NanoRlc, most: int, now: int) -> None:
    if held.offer is None or held.offer < offer:
        return
    stands = held.published + STANDS - now
    if held.offer > offer or stands > 0:
        wait = Seconds(-(-stands // 1000)) if held.offer == offer else None
        raise BookFull(most, held.offer, wait)
