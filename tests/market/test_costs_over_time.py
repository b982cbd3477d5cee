"""What a page, a block and an order cost does not grow with what has ended long ago: counted in steps.

The past is copies of one deal, its orders and all that happened to its task: of the same parties, so
that whoever looks at these has all of it in the way.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from market_world import (
    APP,
    BUYER,
    CHAIN_ID,
    POOL,
    POOL_OWNER,
    STRANGER,
    a_market,
    pool_order,
    sold,
)
from sqlalchemy import event, insert, select
from sqlalchemy.pool import Pool
from test_page_costs import PageCosts

from poolhand.store.market.schema import (
    ASSET_STEPS,
    MARKET_DEALS_TABLE,
    ORDERS_TABLE,
    STAKE_STEPS,
    TASK_STEPS,
)

SHORT, LONG = 4_200, 21_000
"""Rows of each kind that are copied: more than any page shows of one account."""
OWN = {
    ORDERS_TABLE: ("order_hash",),
    MARKET_DEALS_TABLE: ("deal_id", "tx_hash"),
    TASK_STEPS: ("task_id", "deal_id", "tx_hash"),
    STAKE_STEPS: ("task_id", "tx_hash"),
    ASSET_STEPS: ("tx_hash",),
}
"""What tells a row from its copies, beside the place in the chain."""


def long_past(connection, rows):
    """Copy what there is, as of long ago."""
    for table, names in OWN.items():
        known = [dict(row) for row in connection.execute(select(table)).mappings()]
        if table is ORDERS_TABLE:
            known = [row | {"open_in": None, "kind": None, "status": "filled"} for row in known]
        if table is ASSET_STEPS:
            known = [row | {"source": row["owner"]} for row in known]  # it changed hands
        copies = []
        for number in range(rows):
            row = known[number % len(known)]
            copy = {key: value for key, value in row.items() if key != "n"}
            copy |= {name: f"0x{number:0{len(row[name]) - 2}x}" for name in names if row[name]}
            if "log_index" in copy:
                copy |= {"block": 0, "log_index": number}
            if table is MARKET_DEALS_TABLE:
                copy |= {"block": 0, "age": 0}
            copies.append(copy)
        connection.execute(insert(table), copies)


@asynccontextmanager
async def market_of(folder, rows):
    """A market with such a past, and what counts what it does."""
    costs = PageCosts()
    event.listen(Pool, "connect", costs.connected)
    try:
        async with a_market(f"sqlite:///{folder / f'{rows}.db'}") as market:
            for owner in (POOL_OWNER, BUYER):
                market.chain.deposit(owner.address, 10**15)
            await market.mine()
            *_, deal = await sold(market)
            await market.mine()
            task = await market.compute(deal)
            await market.database.write(lambda work: long_past(work, rows))
            yield market, costs, deal, task
    finally:
        event.remove(Pool, "connect", costs.connected)


def asked(deal, task):
    """Return every page and list in which the past could be in the way."""
    pages = ("", "/deals", "/orders/workerpool", "/orders/request", "/pools", f"/pools/{POOL}")
    pages += (f"/apps/{APP}", "/apps", f"/deals/{deal.deal_id}", f"/tasks/{task}")
    pages += tuple(f"/accounts/{each.address}" for each in (BUYER, POOL_OWNER, STRANGER))
    lists = ("/deals", f"/deals?requester={BUYER.address}", f"/deals?app={APP}")
    lists += (f"/deals/{deal.deal_id}", f"/deals/{deal.deal_id}/tasks", f"/tasks/{task}", "/apps")
    lists += (
        f"/accounts/{BUYER.address}",
        "/workerpoolorders",
        f"/workerpoolorders?workerpool={POOL}",
    )
    return (*(f"/pages{page}" for page in pages), *map(on_chain, lists))


def on_chain(path):
    return f"{path}{'&' if '?' in path else '?'}chainId={CHAIN_ID}"


async def steps_of(folder, rows):
    """Return the steps of the database for each question, a block with a deal in it, an order."""
    found = {}
    async with market_of(folder, rows) as (market, costs, deal, task):
        for path in asked(deal, task):
            await market.http.get(path)
            with costs.counting():
                answer = await market.http.get(path)
            assert answer.status_code == 200, (path, answer.text[:300])
            label = path.replace(str(deal.deal_id), "DEAL").replace(str(task), "TASK")
            found[label] = costs.steps
        await sold(market)
        with costs.counting():
            await market.mine()
        found["a block"] = costs.steps
        with costs.counting():
            await market.published(pool_order())
        found["an order"] = costs.steps
        market.chain.reorganise(1)
        market.chain.mine()
        with costs.counting():
            await market.mine()
        found["a fork"] = costs.steps
    return found


@pytest.mark.timeout(600)
async def test_a_long_past_is_no_work_for_whoever_asks_or_for_a_block(tmp_path):
    short, long = await steps_of(tmp_path, SHORT), await steps_of(tmp_path, LONG)
    more = {path: (short[path], n) for path, n in long.items() if n > 1.3 * short[path]}
    assert more == {}
