"""Lists of a database, against the pure rule of what is shown; and what is stored, read back."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from market_world import (
    APP,
    BUYER,
    MAKERS,
    SELLER,
    SIGNERS,
    a_market,
    hash_of,
    request_order,
)
from sqlalchemy import create_engine

from many import examples
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.book import BULK_VOLUME, BookOrder, BookStatus, traits_of
from poolhand.domain.market.filters import FILTER_PARTIES, BookFilter, Slice, shows
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.simulated_tee import RANDOM_OF_MARKED, marked_salt
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.store.market import orders
from poolhand.store.market.lists import best_price, list_orders
from poolhand.store.market.schema import BOOK

OTHER = Address(b"\x77" * 20)
A, D, W, R = OrderSort.APP, OrderSort.DATASET, OrderSort.WORKERPOOL, OrderSort.REQUEST


PLACES = (ZERO_ADDRESS, APP, OTHER)
addresses = st.sampled_from(PLACES)
tags = st.sampled_from(
    [Tag(bytes(32)), Tag(bytes(31) + b"\x03"), Tag(b"\x80" + bytes(31)), Tag(b"\xff" * 32)]
)
FIELDS = {
    "price": st.integers(0, 3).map(NanoRlc),
    "volume": st.sampled_from([1, 5, BULK_VOLUME, BULK_VOLUME + 1]),
    "tag": tags,
    "category": st.integers(0, 2),
    "trust": st.integers(0, 3).map(Trust),
    **dict.fromkeys(
        ("app", "dataset", "workerpool", "requester", "beneficiary",
         "app_restrict", "dataset_restrict", "workerpool_restrict", "requester_restrict"),
        addresses,
    ),
    **dict.fromkeys(("app_max_price", "dataset_max_price", "workerpool_max_price"), st.integers(0, 3).map(NanoRlc)),
}  # fmt: skip


@st.composite
def entries(draw):
    sort = draw(st.sampled_from(list(OrderSort)))
    known = [name for name in MAKERS[sort]().__dataclass_fields__ if name in FIELDS]
    order = MAKERS[sort](**{name: draw(FIELDS[name]) for name in known})
    if sort is W and draw(st.booleans()):
        order = replace(order, salt=marked_salt(order.salt[-RANDOM_OF_MARKED:]))
    status = draw(st.sampled_from(BookStatus))
    remaining = draw(st.integers(0, 5))
    signer = draw(st.sampled_from([SIGNERS[sort].address, OTHER]))
    return BookOrder(hash_of(order), order, b"", signer, status, remaining, draw(st.integers(0, 3)))


@st.composite
def filters(draw):
    maybe = lambda strategy: draw(st.none() | strategy)  # noqa: E731
    allowed = st.sampled_from([(ZERO_ADDRESS,), (APP,), (ZERO_ADDRESS, APP), (ZERO_ADDRESS, OTHER)])
    return BookFilter(
        sort=draw(st.sampled_from(list(OrderSort))),
        parties=draw(st.dictionaries(st.sampled_from(FILTER_PARTIES), allowed, max_size=3)),
        signer=maybe(st.sampled_from([SELLER.address, OTHER])),
        category=maybe(st.integers(0, 2)),
        min_tag=maybe(tags),
        max_tag=maybe(tags),
        min_volume=maybe(st.integers(1, 5)),
        min_trust=maybe(st.integers(0, 3)),
        max_trust=maybe(st.integers(0, 3)),
        bulk_only=draw(st.booleans()),
    )


def in_list_order(entries):
    """Sort as lists do: best price first, then longest in the book, then by hash."""
    return sorted(
        entries, key=lambda each: (traits_of(each.order).rank, each.published, each.order_hash)
    )


@settings(max_examples=examples(60))
@given(st.lists(entries(), max_size=12), st.lists(filters(), min_size=3, max_size=8))
def test_a_database_shows_what_the_rule_shows(found, wanted):
    engine = create_engine("sqlite://")
    BOOK.create_all(engine)
    with engine.begin() as connection:
        for entry in found:
            orders.put(connection, entry, BlockNumber(0))
        for each in wanted:
            shown = in_list_order(entry for entry in found if shows(each, entry))
            listed = list_orders(connection, each, Slice(0, 1000))
            assert [row.order_hash for row in listed.rows] == hashes_of(shown)
            assert listed.count == len(shown)
            best = best_price(connection, each)
            assert best == (None if not shown else listed.rows[0] and _price(shown[0]))
    engine.dispose()


def hashes_of(found):
    return [str(entry.order_hash) for entry in found]


def _price(entry):
    order = entry.order
    return order.workerpool_max_price if hasattr(order, "workerpool_max_price") else order.price


async def test_what_was_stored_is_read_back_as_it_was(database_url):
    async with a_market(database_url) as market:
        entry = BookOrder(hash_of(order := request_order(params='{"a":"é\n"}')), order, b"\x01\x02",
                          BUYER.address, BookStatus.DEAD, 3, 7)  # fmt: skip

        def there_and_back(connection):
            orders.put(connection, entry, BlockNumber(5))
            return orders.find(connection, OrderSort.REQUEST, entry.order_hash).entry

        assert await market.database.write(there_and_back) == entry


def test_simulated_enclaves_are_shown_to_whoever_names_their_workerpool_alone():
    tdx, plain = Tag.of(["tee", "tdx"]), MAKERS[W]()
    order = replace(plain, tag=tdx, salt=marked_salt(plain.salt[-RANDOM_OF_MARKED:]))
    entry = BookOrder(hash_of(order), order, b"", OTHER, BookStatus.OPEN, 1, 0)
    real = replace(entry, order=replace(order, salt=plain.salt))
    named = {"workerpool": (order.workerpool,)}
    for shown, parties, wanted in (
        (entry, named, tdx),
        (entry, {}, None),
        (real, {}, tdx),
    ):
        assert shows(BookFilter(W, parties, min_tag=wanted), shown)
    assert not shows(BookFilter(W, {}, min_tag=tdx), entry)
    assert not shows(BookFilter(W, {}, min_tag=Tag.of(["tee"])), entry)
