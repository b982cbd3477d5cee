"""A market in which something was bought, looked at by its pages."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial

import pytest
from market_world import (
    APP,
    BUYER,
    DATASET,
    POOL,
    POOL_OWNER,
    app_order,
    dataset_order,
    pool_order,
    request_order,
)

from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.tag import Tag
from poolhand.domain.units import NanoRlc
from poolhand.store.market import pools
from poolhand.wire.market_pools import LivePool, PoolEnclaves

HOSTILE = "</pre><script>alert(1)</script>\u202e\x1b[2J'\"&"
ESCAPED = "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\x1b[2J&#39;&#34;&amp;"
PROFILE = PoolProfile(POOL, POOL_OWNER.address, "The lab", "In a\nbarn", "", "http://r.test")
LIVE = LivePool(
    version="0.1.0", workers=3, slots=8, busy=5, open_tasks=41, prices={}, highest_trust=7
)
ANSWERS = partial(pools.answered, live=LIVE.model_dump_json())


def enclaves(*, simulated):
    """Return what came of asking a pool two of whose workers have proved TDX."""
    proved = PoolEnclaves(framework="tdx", workers=2, simulated=2 * simulated)
    told = {"enclaves": (proved,), "simulated_tee": simulated}
    return partial(pools.answered, live=LIVE.model_copy(update=told).model_dump_json())


@pytest.fixture
def database_url(tmp_path, sqlite_file):
    return f"sqlite:///{shutil.copyfile(sqlite_file, tmp_path / 'market.db')}"


@pytest.fixture
async def bought(market):
    """A market in which something was bought, and something is left."""
    market.chain.deposit(POOL_OWNER.address, 10**12)
    market.chain.deposit(BUYER.address, 10**12)
    await market.mine()
    dataset = dataset_order(price=NanoRlc(5))
    app, pool = app_order(), pool_order(price=NanoRlc(1_500_000_000))
    request = request_order(
        dataset=DATASET, dataset_max_price=NanoRlc(5), volume=3,
        workerpool_max_price=NanoRlc(2_000_000_000), params=HOSTILE.replace("\x1b", "").replace("\u202e", ""),
    )  # fmt: skip
    for order in (app, dataset, pool, request):
        await market.published(order)
    deal = market.match(app, pool, request, 2, dataset)
    for asset, name in ((APP, "Blur"), (DATASET, "Faces"), (POOL, "Barn")):
        market.chain.describe(asset, name, "docker.io/blur:1")
    await market.mine()
    market.orders, market.deal = (app, dataset, pool, request), deal
    market.task = await market.compute(deal)
    return market


async def shown(market, path: str, status: int = 200) -> str:
    answer = await market.http.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    return answer.text.replace("\xa0", " ")


async def registered(market, url, note=None):
    """Register the pool at a URL; ``note`` is what came of asking it."""
    now = market.clock[0]
    await market.database.write(partial(pools.put, profile=replace(PROFILE, url=url), now=now))
    if note is not None:
        await market.database.write(partial(note, workerpool=POOL, now=now))


def news(task, *replicates, **members):
    """Return what a pool answers of a task."""
    return {
        "task_id": str(task), "deal_id": "0x" + 64 * "0", "index": 1, "flow": "standard",
        "status": "RUNNING", "meaning": "workers compute it", "history": [], "transactions": [],
        "replicates": replicates, **members,
    }  # fmt: skip


async def confidential(market):
    """Buy one task in an enclave; return its deal and the task, which runs."""
    tag = Tag.of(("tee", "tdx"))
    orders = app_order(tag=tag), pool_order(tag=tag), request_order(tag=tag)
    for order in orders:
        await market.published(order)
    deal = market.match(*orders, 1, tag=tag)
    await market.mine()
    task = market.chain.initialize(deal, 0)
    await market.mine()
    return deal, task
