"""The market answers as its OpenAPI document says, to whatever that allows and to the rest."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from market_world import (
    APP,
    CHAIN,
    DATASET,
    PATHS,
    POOL,
    SELLER,
    a_market,
    app_order,
    dataset_order,
    hash_of,
    pool_order,
    request_order,
)

from as_described import RIGHT, WRONG, Described, proof, served, told
from poolhand.domain.market.challenges import GATEWAY_NAME
from poolhand.domain.market_events import OrderSort

TEXTS = ("POST /requestorders", "PUT /pools/{address}")
"""Their texts keep the rule of what a person is shown, and a pool's addresses that of strangers'."""
LISTS_OF_ONE = ("GET /apporders", "GET /datasetorders")
"""Either what is sold must be named or who sells it."""


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A market with an order of each sort, a deal and a task that is done."""
    there = {}

    @asynccontextmanager
    async def made():
        url = f"sqlite:///{tmp_path_factory.mktemp('market') / 'market.db'}"
        async with a_market(url) as market:
            orders = (app_order(), dataset_order(), pool_order(), request_order())
            for order in orders:
                await market.published(order)
            deal = market.match(orders[0], orders[2], orders[3], 1)
            await market.mine()
            task = await market.compute(deal)
            for sort, order in zip(OrderSort, orders, strict=True):
                there[f"{PATHS[sort]}/{{orderHash}}"] = {"orderHash": str(hash_of(order))}
            there["/deals/{dealid}"] = there["/deals/{dealid}/tasks"] = {
                "dealid": str(deal.deal_id)
            }
            there["/tasks/{taskid}"] = {"taskid": str(task)}
            there["/tasks/{taskid}/pool"] = {"taskid": str(task)}
            there["/search"] = {"q": str(task)}
            yield market.http._transport.app

    with (
        served(made) as url,
        Described(
            url,
            there
            | {
                "/categories/{catid}": {"catid": 0},
                "/ohlc": {"category": 0},
                "/apps/{address}": {"address": str(APP)},
                "/datasets/{address}": {"address": str(DATASET)},
                "/workerpools/{address}": {"address": str(POOL)},
                "/accounts/{address}": {"address": str(SELLER.address)},
            },
            CHAIN,
            lambda client: header(client, url),
            (*TEXTS, *LISTS_OF_ONE),
        ) as described,
    ):
        yield described


def header(client, url):
    asked = {**CHAIN, "address": str(SELLER.address)}
    return proof(SELLER, client.get(f"{url}/challenge", params=asked).json()["data"], GATEWAY_NAME)


@pytest.mark.timeout(600)  # seconds of a processor, on a machine that does much else
@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
def test_the_market_answers_as_it_is_described(market, mode):
    assert not (faults := market.faults(mode)), told(faults)
