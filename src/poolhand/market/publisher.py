"""Publishing and unpublishing: judged by chain and book at one block, then written as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from poolhand.domain.errors import Unavailable
from poolhand.domain.ids import OrderHash
from poolhand.domain.market.book import BookOrder, sort_of, traits_of
from poolhand.domain.market.publishing import (
    BookFacts,
    BookLimits,
    OrderFacts,
    Publication,
    publish,
)
from poolhand.domain.market.room import BookRoom, making_room
from poolhand.domain.market.unpublishing import (
    UnpublishTarget,
    Withdrawal,
    check_one,
    check_several,
)
from poolhand.domain.onchain import Head
from poolhand.market import dependants
from poolhand.market.follower import Follower
from poolhand.market.gathering import Gathering
from poolhand.ports.market_chain import MarketChain, OrderClaim, SignedHash
from poolhand.store.market import orders, room
from poolhand.store.market.database import BookConnection
from poolhand.store.market.lists import best_price

BLOCKS_TO_PUBLISH: Final = 10
"""Blocks that may come between the look at the chain and the write before we give up."""


class ChainTooFast(Unavailable):
    """A block came between look and write, again and again."""

    def __init__(self) -> None:
        super().__init__("blocks come faster than the chain can be read: try again")


class Publisher:
    """Puts orders into the book and takes them out.

    Args:
        chain: Where facts are read.
        follower: Keeps the book.
        limits: Of the operator.
        now: Milliseconds since 1970.
    """

    def __init__(
        self, chain: MarketChain, follower: Follower, limits: BookLimits, now: Callable[[], int]
    ) -> None:
        self._chain, self._follower = chain, follower
        self._limits, self._now = limits, now
        self._looks = Gathering(self._look)

    async def publish(self, asked: Publication) -> BookOrder:
        """Put an order into the book.

        Raises:
            MarketRule: The first rule that is broken; nothing was written.
            ChainUnreachable: What the chain says could not be read.
        """
        signed = SignedHash(asked.by, asked.order_hash, asked.sign)
        claim = OrderClaim(sort_of(asked.order), traits_of(asked.order).resource, signed)
        for _ in range(BLOCKS_TO_PUBLISH):
            at, facts = await self._looks.answer(claim)
            place = Placing(asked, facts, at, self._limits, self._now())
            work = partial(put_in, placing=place)
            done = await self._follower.write_at(at, work)
            if done is not None:
                return done
        raise ChainTooFast

    async def _look(self, claims: Sequence[OrderClaim]) -> list[tuple[Head, OrderFacts]]:
        """Look at the newest block for several orders at once."""
        at = await self._follower.caught_up()
        return [(at, facts) for facts in await self._chain.order_facts(claims, at)]

    async def unpublish(self, asked: Withdrawal) -> tuple[OrderHash, ...]:
        """Take orders out of the book, and let the requests die that needed them.

        Raises:
            MarketRule: There is nothing to take out, or it is somebody else's.
        """
        return await self._follower.write(partial(_take_out, asked=asked))


@dataclass(frozen=True, slots=True)
class Placing:
    """An order on its way into the book.

    Attributes:
        facts: What the chain says of it, at the block ``at``.
        now: Milliseconds since 1970.
    """

    asked: Publication
    facts: OrderFacts
    at: Head
    limits: BookLimits
    now: int


def put_in(connection: BookConnection, placing: Placing) -> BookOrder:
    """Put an order into the book, in the place of others where it has no room left.

    Raises:
        MarketRule: The first rule that is broken.
    """
    asked, limits = placing.asked, placing.limits
    sort, name = sort_of(asked.order), asked.order_hash
    known = orders.find(connection, sort, name)
    before = known.entry if known else None
    book = BookFacts(
        known=before,
        open=orders.count_open(connection, sort, asked.by),
        most_open=limits.open,
        best=partial(best_price, connection),
    )
    entry = publish(asked, placing.facts, book, placing.now)
    first = partial(room.first_to_go, connection, sort, name)
    found = BookRoom(room.taken(connection, sort), limits.room, first)
    if gone := making_room(entry, before, found, placing.now):
        orders.remove(connection, sort, gone)
    orders.put(connection, entry, placing.at.number, known)
    return entry


def _take_out(connection: BookConnection, asked: Withdrawal) -> tuple[OrderHash, ...]:
    entries = _meant(connection, asked)
    names = tuple(entry.order_hash for entry in entries)
    orders.remove(connection, asked.sort, names)
    dependants.lost(connection, entries, None)
    return names


def _meant(connection: BookConnection, asked: Withdrawal) -> list[BookOrder]:
    if asked.target is UnpublishTarget.ONE:
        assert asked.order_hash is not None
        known = orders.find(connection, asked.sort, asked.order_hash)
        check_one(asked, known.entry if known else None)
        return [known.entry] if known else []
    assert asked.resource is not None
    found = orders.open_of_resource(connection, asked.sort, asked.resource, asked.by)
    names = check_several(asked, tuple(row.entry.order_hash for row in found))
    return [row.entry for row in found if row.entry.order_hash in names]
