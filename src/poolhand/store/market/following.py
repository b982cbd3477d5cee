"""Rows of what was read of the chain: how far, deals and categories, and going back at a fork."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from poolhand.domain.ids import BlockHash
from poolhand.domain.market.deals import MarketCategory, MarketDeal
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.store.market import counts, history, registered
from poolhand.store.market.orders import BookRow, turn_back
from poolhand.store.market.schema import CATEGORIES_TABLE, MARKET_DEALS_TABLE, MARKS_TABLE, UNDO
from poolhand.store.market.where import hexed
from poolhand.wire.market_json import category_members, deal_members

DEEPEST_FORK: Final = 128
"""Blocks within which a fork is undone exactly."""


def marks(connection: Connection) -> list[Head]:
    """Return how far the chain was read, and where a fork may lead back to, newest first."""
    asked = select(MARKS_TABLE).order_by(MARKS_TABLE.c.block.desc())
    return [
        Head(
            BlockNumber(row["block"]),
            BlockHash.parse(row["block_hash"]),
            BlockHash.parse(row["parent_hash"]),
            UnixSeconds(row["moment"]),
            None,
        )
        for row in connection.execute(asked).mappings()
    ]


def newest_mark(connection: Connection) -> BlockNumber | None:
    """Return up to which block the chain was read; None: nothing was."""
    found = connection.scalar(select(func.max(MARKS_TABLE.c.block)))
    return None if found is None else BlockNumber(found)


def set_mark(connection: Connection, head: Head) -> None:
    """Note that the chain was read up to a block; what is too old to be undone is forgotten."""
    mark = {
        "block": head.number,
        "block_hash": hexed(head.block_hash),
        "parent_hash": hexed(head.parent_hash),
        "moment": head.timestamp,
    }
    connection.execute(insert(MARKS_TABLE).values(mark))
    for table in (MARKS_TABLE, UNDO):
        connection.execute(delete(table).where(table.c.block < head.number - DEEPEST_FORK))


def go_back(connection: Connection, mark: BlockNumber, *, deep: bool) -> list[BookRow]:
    """Undo all that blocks after a mark did; returns the orders that are open again.

    ``deep``: the fork began before anything that could be undone, so every open order is doubtful.
    """
    restored = turn_back(connection, mark, BlockNumber(-1) if deep else mark)
    gone = select(*(MARKET_DEALS_TABLE.c[name] for name in counts.DEALS_COUNTED_BY)).where(
        MARKET_DEALS_TABLE.c.block > mark
    )
    deals = connection.execute(gone).mappings().all()
    counts.change(connection, counts.of_deals(deals, -1))
    for table in (MARKET_DEALS_TABLE, CATEGORIES_TABLE, MARKS_TABLE):
        connection.execute(delete(table).where(table.c.block > mark))
    history.forget_after(connection, mark)
    registered.forget_after(connection, mark)
    return restored


def put_deals(connection: Connection, deals: Iterable[MarketDeal], chain_id: int) -> None:
    """Keep deals; one that is there stays as it is."""
    new = []
    for told in deals:
        row = _deal_row(told, chain_id)
        known = select(MARKET_DEALS_TABLE.c.deal_id).where(
            MARKET_DEALS_TABLE.c.deal_id == row["deal_id"]
        )
        if connection.scalar(known) is None:
            connection.execute(insert(MARKET_DEALS_TABLE).values(row))
            new.append(row)
    counts.change(connection, counts.of_deals(new))


def _deal_row(told: MarketDeal, chain_id: int) -> dict[str, str | int]:
    deal, orders = told.deal, told.event.orders
    names = ("app_order", "dataset_order", "workerpool_order", "request_order")
    resources = {"app": deal.app, "dataset": deal.dataset, "workerpool": deal.workerpool}
    return {
        "deal_id": hexed(deal.deal_id),
        "block": told.block,
        "age": -told.block,
        "moment": told.moment,
        "requester": hexed(deal.requester),
        "beneficiary": hexed(deal.beneficiary),
        **{name: hexed(found.address) for name, found in resources.items()},
        **{f"{name}_owner": hexed(found.owner) for name, found in resources.items()},
        **{name: hexed(found) for name, found in zip(names, orders, strict=True)},
        "category": deal.category,
        "price": deal.workerpool.price,
        "tx_hash": hexed(told.tx_hash),
        "document": json.dumps(deal_members(told, chain_id), ensure_ascii=False),
    }


def put_categories(
    connection: Connection, categories: Iterable[MarketCategory], chain_id: int
) -> None:
    """Keep categories; the newest of a number counts."""
    for told in categories:
        event = told.event
        connection.execute(delete(CATEGORIES_TABLE).where(CATEGORIES_TABLE.c.catid == event.index))
        row = {
            "catid": event.index,
            "block": event.place.block,
            "time_ref": event.time_ref,
            "document": json.dumps(category_members(told, chain_id), ensure_ascii=False),
        }
        connection.execute(insert(CATEGORIES_TABLE).values(row))
