"""Rows of losses: a queue of apps and datasets whose requests are to be looked at."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, insert, select

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.losses import Loss
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc
from poolhand.store.market.schema import LOSSES
from poolhand.store.market.where import hexed

_C: Final = LOSSES.c


def add(connection: Connection, newer: Loss) -> Loss:
    """Keep a loss, as one with what is already known of the same thing; returns that."""
    known = find(connection, newer.sort, newer.resource)
    loss = known.joined(newer) if known else newer
    put(connection, loss)
    return loss


def find(connection: Connection, sort: OrderSort, resource: Address) -> Loss | None:
    """Return the loss of a thing."""
    mine = (_C.sort == sort.value, _C.resource == hexed(resource))
    row = connection.execute(select(LOSSES).where(*mine)).mappings().first()
    return None if row is None else _loss(row)


def next_one(connection: Connection) -> Loss | None:
    """Return the loss that was written longest ago."""
    row = connection.execute(select(LOSSES).order_by(_C.n).limit(1)).mappings().first()
    return None if row is None else _loss(row)


def put(connection: Connection, loss: Loss) -> None:
    """Write a loss, at the end of the queue."""
    forget(connection, loss)
    connection.execute(insert(LOSSES).values(_members(loss)))


def forget(connection: Connection, loss: Loss) -> None:
    """Forget what is known of its thing."""
    mine = (_C.sort == loss.sort.value, _C.resource == hexed(loss.resource))
    connection.execute(delete(LOSSES).where(*mine))


def _members(loss: Loss) -> dict[str, Any]:
    price, name = loss.reached or (None, None)
    return {
        "sort": loss.sort.value,
        "resource": hexed(loss.resource),
        "least": loss.least,
        "below": loss.below,
        "reached_price": price,
        "reached_hash": None if name is None else hexed(name),
        "again": int(loss.again),
    }


def _loss(row: RowMapping) -> Loss:
    name, below = row["reached_hash"], row["below"]
    return Loss(
        OrderSort(row["sort"]),
        Address.parse(row["resource"]),
        NanoRlc(row["least"]),
        None if below is None else NanoRlc(below),
        None if name is None else (NanoRlc(row["reached_price"]), OrderHash.parse(name)),
        bool(row["again"]),
    )
