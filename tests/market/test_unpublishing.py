"""Taking orders out of the book: three targets, whose they are, and the requests that needed them."""

from __future__ import annotations

import pytest
from market_world import (
    APP,
    BUYER,
    DATASET,
    MAKERS,
    SELLER,
    SIGNERS,
    STRANGER,
    app_order,
    dataset_order,
    hash_of,
    request_order,
)

from poolhand.domain.ids import Address
from poolhand.domain.market.refusals import RESOURCE, collection
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag
from poolhand.domain.units import NanoRlc

TEE = Tag.of(["tee"])
NOBODY = "0x" + "77" * 20


def refused(answer, status, text):
    assert answer.status_code == status, answer.text
    assert answer.json() == {"ok": False, "error": text}


async def test_an_order_is_taken_out_by_its_hash_and_may_come_back(market):
    for sort, make in MAKERS.items():
        order, wallet = make(), SIGNERS[sort]
        await market.published(order)
        answer = await market.unpublish(sort, wallet, orderHash=str(hash_of(order)))
        assert answer.json() == {"ok": True, "unpublished": [str(hash_of(order))]}
        assert await market.status(order) is None
        text = f"{collection(sort)} with orderHash {hash_of(order)} is not published"
        again = await market.unpublish(
            sort, wallet, target="unpublish_orderHash", orderHash=str(hash_of(order))
        )
        refused(again, 403, text)
        await market.published(order)


async def test_nobody_takes_out_what_is_somebody_elses(market):
    order = app_order()
    await market.published(order)
    answer = await market.unpublish(OrderSort.APP, STRANGER, orderHash=str(hash_of(order)))
    refused(answer, 403, f"only order signer {SELLER.address} can unpublish an order")
    assert await market.status(order) == ("open", 1000)


async def test_a_hash_of_another_collection_is_not_published(market):
    order = app_order()
    await market.published(order)
    answer = await market.unpublish(OrderSort.DATASET, SELLER, orderHash=str(hash_of(order)))
    refused(answer, 403, f"datasetorder with orderHash {hash_of(order)} is not published")


async def test_the_last_is_the_newest_each_time(market):
    orders = [app_order() for _ in range(2)]
    for order in orders:
        await market.published(order)
    for order in reversed(orders):
        answer = await market.unpublish(
            OrderSort.APP, SELLER, target="unpublish_last", app=str(APP)
        )
        assert answer.json()["unpublished"] == [str(hash_of(order))]
    answer = await market.unpublish(OrderSort.APP, SELLER, target="unpublish_last", app=str(APP))
    text = f"no open apporder published by signer {SELLER.address} for app {APP}"
    refused(answer, 403, text)


async def test_all_are_those_of_one_signer_for_one_resource(market):
    other = Address(b"\x99" * 20)
    market.chain.register(OrderSort.APP, other, SELLER.address)
    await market.mine()
    orders = [app_order() for _ in range(3)]
    kept = app_order(app=other)
    for order in (*orders, kept):
        await market.published(order)
    answer = await market.unpublish(
        OrderSort.APP, SELLER, target="unpublish_all", app=str(APP).lower()
    )
    assert answer.json()["unpublished"] == [str(hash_of(order)) for order in reversed(orders)]
    assert await market.status(kept) == ("open", 1000)


@pytest.mark.parametrize("sort", list(OrderSort))
async def test_with_nothing_open_the_text_names_signer_and_resource(market, sort):
    name, wallet = RESOURCE[sort], SIGNERS[sort]
    for target in ("unpublish_last", "unpublish_all"):
        answer = await market.unpublish(sort, wallet, **{"target": target, name: NOBODY})
        told = Address.parse(NOBODY)
        text = f"no open {collection(sort)} published by signer {wallet.address} for {name} {told}"
        refused(answer, 403, text)


async def test_what_is_missing_or_unknown_in_the_body_is_named(market):
    ask = market.unpublish
    targets = "unpublish_orderHash, unpublish_last, unpublish_all"
    for body, text in (
        ({}, "orderHash is a required field"),
        ({"orderHash": "0x12"}, "orderHash must be a bytes32 hexstring"),
        ({"target": "unpublish_last"}, "app is a required field"),
        ({"target": "unpublish_all", "app": 7}, "app is not a valid ethereum address"),
        ({"target": "all"}, f"target must be one of the following values: {targets}"),
        ({"target": []}, f"target must be one of the following values: {targets}"),
    ):
        refused(await ask(OrderSort.APP, SELLER, **body), 400, text)


# ----------------------------------------------------------------------------------- dependants


async def gone(market, order):
    sort = (
        OrderSort.APP
        if hasattr(order, "app") and not hasattr(order, "dataset")
        else OrderSort.DATASET
    )
    answer = await market.unpublish(sort, SELLER, orderHash=str(hash_of(order)))
    assert answer.status_code == 200, answer.text


async def test_a_request_dies_with_the_last_order_that_it_could_use(market):
    first, second, request = app_order(), app_order(), request_order()
    for order in (first, second, request):
        await market.published(order)
    await gone(market, first)
    assert await market.status(request) == ("open", 1)
    await gone(market, second)
    assert await market.status(request) == ("dead", 1)


async def test_a_dearer_order_or_one_for_its_requester_alone_keeps_a_request(market):
    market.chain.deposit(BUYER.address, 100)
    await market.mine()
    cheap, dear = app_order(), app_order(price=NanoRlc(5))
    own = app_order(requester_restrict=BUYER.address)
    rich, poor = request_order(app_max_price=NanoRlc(5)), request_order()
    for order in (cheap, dear, rich, poor):
        await market.published(order)
    await gone(market, cheap)
    assert await market.status(rich) == ("open", 1)
    assert await market.status(poor) == ("dead", 1)
    await market.published(own)
    await market.published(poor)
    await gone(market, dear)
    assert await market.status(rich) == ("open", 1)
    await gone(market, own)
    assert (await market.status(rich), await market.status(poor)) == (("dead", 1), ("dead", 1))


async def test_an_order_for_somebody_else_keeps_no_request(market):
    sold, others, request = app_order(), app_order(requester_restrict=DATASET), request_order()
    for order in (sold, others, request):
        await market.published(order)
    await gone(market, sold)
    assert await market.status(request) == ("dead", 1)


async def test_a_tee_request_dies_with_the_last_tee_order_though_others_remain(market):
    plain, secure = app_order(), app_order(tag=TEE)
    wanted, any_app = request_order(tag=TEE), request_order()
    for order in (plain, secure, wanted, any_app):
        await market.published(order)
    await gone(market, secure)
    assert await market.status(wanted) == ("dead", 1)
    assert await market.status(any_app) == ("open", 1)


async def test_a_request_dies_with_its_dataset_order_whatever_its_tag(market):
    sold, request = dataset_order(), request_order(dataset=DATASET, tag=TEE)
    for order in (app_order(tag=TEE), sold, request):
        await market.published(order)
    await gone(market, sold)
    assert await market.status(request) == ("dead", 1)


async def test_a_dead_order_comes_back_to_its_old_place(market):
    sold, request = app_order(), request_order()
    await market.published(sold)
    first = await market.published(request)
    await gone(market, sold)
    await market.published(sold)
    again = await market.published(request)
    assert again["publicationTimestamp"] == first["publicationTimestamp"]
    assert await market.status(request) == ("open", 1)
    text = f"requestorder with orderHash {hash_of(request)} is not published"
    await gone(market, sold)
    answer = await market.unpublish(OrderSort.REQUEST, BUYER, orderHash=str(hash_of(request)))
    refused(answer, 403, text)
