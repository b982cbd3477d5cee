"""A market's database full of open orders, of many owners, pools, categories, tags and limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, insert

from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus, traits_of
from poolhand.domain.market.kinds import OrderKind, kind_of
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    Order,
    RequestOrder,
    Salt,
    WorkerpoolOrder,
)
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.store.market import kinds, room
from poolhand.store.market.orders import members_of
from poolhand.store.market.schema import ORDERS_TABLE

TAGS: Final = (NO_TAG, Tag.of(["tee"]), Tag.of(["tee", "tdx"]), Tag.of(["gpu"]))
APP, DATASET, POOL, BUYER, OWNER = range(1, 6)
"""First bytes of made-up addresses."""
LIMITED: Final = 0.05
"""Share of the restrictions that name somebody."""
CATEGORIES: Final = 5


def address(kind: int, number: int) -> Address:
    """Return a made-up address."""
    return Address(bytes([kind]) + number.to_bytes(19, "big"))


def fill(connection: Connection, orders: int) -> None:
    """Put so many open orders into an empty book, a quarter of each sort."""
    put_all(connection, _entries(orders))


def put_all(connection: Connection, entries: Iterable[BookOrder]) -> None:
    """Put open orders into a book all at once; none of them is in it."""
    rows: list[dict[str, Any]] = []
    by_kind: dict[OrderKind, list[dict[str, Any]]] = defaultdict(list)
    of_kind = {}
    for entry in entries:
        traits = traits_of(entry.order)
        row = members_of(entry, BlockNumber(0))
        rows.append(row)
        by_kind[kind_of(traits)].append(row)
        of_kind[kind_of(traits)] = traits
        room.count(connection, entry.sort, None, entry.status)
    for kind, some in by_kind.items():
        number = kinds.enter(connection, of_kind[kind], len(some))
        for row in some:
            row["kind"] = number
    for part in range(0, len(rows), 5_000):
        connection.execute(insert(ORDERS_TABLE), rows[part : part + 5_000])


def _entries(orders: int) -> Iterator[BookOrder]:
    dice = Random(1)
    for number in range(orders):
        order, signer = _MAKERS[number % 4](dice, number)
        name = OrderHash(dice.randbytes(32))
        published = 1_700_000_000_000 + dice.randrange(10**6)
        told = name, order, bytes(65), signer, BookStatus.OPEN, order.volume, published
        yield BookOrder(*told)


def _limit(dice: Random, kind: int) -> Address:
    return address(kind, dice.randrange(50)) if dice.random() < LIMITED else ZERO_ADDRESS


def _terms(dice: Random) -> tuple[NanoRlc, int, Tag]:
    tag = dice.choices(TAGS, (70, 10, 15, 5))[0]
    return NanoRlc(dice.randrange(1000)), dice.randrange(1, 10_000), tag


def _app(dice: Random, number: int) -> tuple[Order, Address]:
    sold, limits = address(APP, number % 2000), (DATASET, POOL, BUYER)
    order = AppOrder(sold, *_terms(dice), *(_limit(dice, each) for each in limits), _salt(number))
    return order, address(OWNER, number % 2000)


def _dataset(dice: Random, number: int) -> tuple[Order, Address]:
    sold, limits = address(DATASET, number % 2000), (APP, POOL, BUYER)
    limited = (_limit(dice, each) for each in limits)
    return DatasetOrder(sold, *_terms(dice), *limited, _salt(number)), address(OWNER, number % 2000)


def _pool(dice: Random, number: int) -> tuple[Order, Address]:
    sold, limits = address(POOL, number % 1000), (APP, DATASET, BUYER)
    category, trust = dice.randrange(CATEGORIES), Trust(dice.choice((0, 1, 1, 5, 10)))
    limited = (_limit(dice, each) for each in limits)
    order = WorkerpoolOrder(sold, *_terms(dice), category, trust, *limited, _salt(number))
    return order, address(OWNER, number % 1000)


def _request(dice: Random, number: int) -> tuple[Order, Address]:
    buyer, app = address(BUYER, dice.randrange(3000)), address(APP, dice.randrange(200))
    dataset = address(DATASET, dice.randrange(20)) if dice.random() < 0.3 else ZERO_ADDRESS
    price, volume, tag = _terms(dice)
    pool, category = _limit(dice, POOL), dice.randrange(CATEGORIES)
    order = RequestOrder(
        app, price, dataset, price, pool, price, buyer, volume, tag, category,
        Trust(dice.choice((0, 1, 5))), buyer, ZERO_ADDRESS, "{}", _salt(number),
    )  # fmt: skip
    return order, buyer


def _salt(number: int) -> Salt:
    return Salt(number.to_bytes(32, "big"))


_MAKERS: Final = (_app, _dataset, _pool, _request)
