"""Purchases that are only signed: what the pool sends, and everything that it does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from started_pool import Started

from memory_node import MemoryNode
from network.world import RLC
from poolhand.domain.ids import Address
from poolhand.domain.onchain import ChainTaskStatus, Initialize, Withdraw
from poolhand.domain.orders.matches_under_way import REST_AFTER_FAILED_MATCH
from poolhand.domain.orders.model import MatchOrders, Signed
from poolhand.domain.orders.signed_purchase import MOST_SENT_PARAMS, deal_of
from poolhand.domain.units import NanoRlc, Wei
from poolhand.transport.asgi import application
from poolhand.transport.pool_client import PoolClient
from poolhand.wire.order_json import decode_order, encode_match

URL = "http://pool.test"
STRANGER = Address(bytes([9] * 20))


def client(world):
    app = application("Poolhand pool", world.scheduler.api(URL))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)


async def handed_in(world, orders):
    """Hand in over HTTP; return status and body."""
    async with client(world) as http:
        answer = await http.post("/v1/purchases", json=encode_match(orders))
    return answer.status_code, answer.json()


async def refused(world, orders):
    status, body = await handed_in(world, orders)
    assert set(body) == {"code", "message"}, body
    assert not world.chain.pool
    return status, body["code"], body["message"]


async def mined(world, orders):
    """Mine a block and return the deal that it makes."""
    await world.step()
    deal = world.chain.state.deals[deal_of(orders, world.chain.domain)]
    world.deals.append(deal)
    return deal


def resigned(world, orders, **changes):
    """Return orders with other terms, each signed by whom it should be."""
    by = {"app": world.owner, "workerpool": world.owner, "request": world.requester}
    made = {}
    for part, terms in changes.items():
        order = replace(getattr(orders, part).order, **terms)
        made[part] = Signed(order, by[part].sign_order(world.chain.domain, order))
    return replace(orders, **made)


async def test_deal_and_first_tasks_come_in_one_block_and_the_answer_names_the_deal(pool):
    world = await pool()
    orders = world.orders(1, 3)
    status, told = await handed_in(world, orders)
    assert status == 200
    match, first = world.chain.pool
    assert told == {"deal_id": str(deal_of(orders, world.chain.domain)), "tx": str(match.tx_hash)}
    assert (match.sender, type(first.call)) == (world.owner.address, Initialize)
    deal = await mined(world, orders)
    assert str(deal.deal_id) == told["deal_id"]
    statuses = {world.view(name).status for _, name in deal.tasks()}
    assert statuses == {ChainTaskStatus.ACTIVE}
    for _, name in deal.tasks():
        (paid,) = world.task(name).transactions
        assert (paid.kind, paid.gas) == ("initialize", 300_000)
    assert world.scheduler.gas_budget.spent == 0  # gas is free here
    assert {type(call) for call in world.calls()} >= {MatchOrders, Initialize}


async def test_the_same_purchase_is_sent_once_however_often_it_is_handed_in(pool):
    world = await pool()
    orders = world.orders(1, 1)
    told = await asyncio.gather(*(handed_in(world, orders) for _ in range(3)))
    assert [status for status, _ in told] == [200] * 3
    assert len({body["tx"] for _, body in told}) == 1
    assert len(world.chain.pool) == 2
    await mined(world, orders)
    assert (await handed_in(world, orders))[0] == 200
    assert not world.chain.pool


async def test_a_deal_that_somebody_else_made_is_told_without_a_transaction(pool):
    world = await pool()
    orders = world.orders(1, 1)
    world.chain.submit(world.requester.address, orders)
    await mined(world, orders)
    status, told = await handed_in(world, orders)
    assert (status, told["tx"]) == (200, None)
    assert not world.chain.pool


def other_pool(world, orders):
    return resigned(world, orders, workerpool={"workerpool": STRANGER})


def forged_request(world, orders):
    signature = world.owner.sign_order(world.chain.domain, orders.request.order)
    return replace(orders, request=replace(orders.request, signature=signature))


def unsigned_order(world, orders):
    del world
    return replace(orders, workerpool=replace(orders.workerpool, signature=b""))


def long_params(world, orders):
    return resigned(world, orders, request={"params": "x" * (MOST_SENT_PARAMS + 1)})


def too_dear(world, orders):
    return resigned(world, orders, app={"price": NanoRlc(4 * RLC)})


def few_tasks(world, orders):
    return resigned(world, orders, app={"volume": 1}, request={"volume": 2})


def unknown_app(world, orders):
    return resigned(world, orders, app={"app": STRANGER}, request={"app": STRANGER})


def too_poor(world, orders):
    del orders
    return world.orders(1, 1000)


@pytest.mark.parametrize(
    ("spoil", "status", "code", "words"),
    [
        (other_pool, 400, "other-pools-order", "hand the purchase in there"),
        (forged_request, 401, "not-signed-by-party", "request order is not signed by"),
        (unsigned_order, 401, "not-signed-by-party", "take a new one"),
        (long_params, 400, "long-params", "put them into an input file"),
        (too_dear, 409, "purchase-unfit", "4 over 3 RLC"),
        (few_tasks, 409, "split-request", "orders have 1 left"),
        (unknown_app, 409, "purchase-unfit", "not registered"),
        (too_poor, 409, "purchase-unfit", "lacks 3000 RLC"),
    ],
)
async def test_what_would_cost_gas_for_nothing_is_refused_and_says_what_to_change(
    pool, spoil, status, code, words
):
    world = await pool()
    told = await refused(world, spoil(world, world.orders(1, 1)))
    assert told[:2] == (status, code)
    assert words in told[2]


async def test_what_is_not_an_order_is_refused_at_the_door(pool):
    world = await pool()
    async with client(world) as http:
        for body in ({}, {"app": {}, "workerpool": {}, "request": {}}, []):
            answer = await http.post("/v1/purchases", json=body)
            assert answer.status_code == 400, answer.text


async def test_who_is_to_wait_for_a_worker_is_told_before_anything_is_sent(pool):
    world = await pool(preflight=True)
    assert (await refused(world, world.orders(1, 1)))[1] == "no-worker-for-it"


async def test_a_pool_that_sends_for_nobody_says_so(pool):
    world = await pool(sends_purchases=False)
    assert (await refused(world, world.orders(1, 1)))[:2] == (403, "sends-for-nobody")
    async with client(world) as http:
        assert (await http.get("/v1/config")).json()["by_signature"] is None


async def test_a_fee_is_part_of_the_order_that_is_asked_for_and_of_no_other(pool):
    world = await pool(purchase_fee=NanoRlc(100 * RLC))
    assert (await refused(world, world.orders(1, 1)))[:2] == (402, "fee-missing")
    async with client(world) as http:
        own = (await http.get("/v1/order")).json()
        sent = (await http.get("/v1/order", params={"by_signature": "true"})).json()
    assert (own["workerpoolprice"], sent["workerpoolprice"]) == (str(RLC), str(101 * RLC))
    orders = world.orders(1, 1)
    orders = replace(orders, workerpool=decode_order(type(orders.workerpool.order), sent))
    orders = resigned(world, orders, request={"workerpool_max_price": NanoRlc(101 * RLC)})
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)


async def test_one_requester_may_have_so_many_in_an_hour(pool):
    world = await pool(purchases_per_hour=1)
    orders = world.orders(1, 1)
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)
    status, code, words = await refused(world, world.orders(1, 1))
    assert (status, code) == (429, "too-many-purchases")
    assert "or send this one yourself" in words


async def test_all_requesters_together_may_have_so_many_in_an_hour(pool):
    world = await pool(all_purchases_per_hour=1)
    orders = world.orders(1, 1)
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)
    assert "1 purchases were sent here" in (await refused(world, world.orders(1, 1)))[2]


async def test_stake_that_another_purchase_under_way_takes_is_not_spent_twice(pool):
    world = await pool()
    first, second = world.orders(1, 600), world.orders(1, 600)  # 103 RLC each, of 100 000
    assert (await handed_in(world, first))[0] == 200
    status, told = await handed_in(world, second)
    assert (status, told["code"]) == (409, "purchase-unfit")
    await mined(world, first)
    assert not world.refused()


async def test_who_lets_a_match_fail_on_chain_has_the_next_one_sent_later(pool):
    world = await pool()
    world.chain.submit(world.requester.address, Withdraw(NanoRlc(100_000 * RLC)))
    assert (await handed_in(world, world.orders(1, 1)))[0] == 200
    await world.step()
    assert len(world.refused()) == 2
    world.chain.fund(world.requester.address, stake=1000 * RLC)
    world.total = world.chain.total_nrlc()
    assert "failed on chain" in (await refused(world, world.orders(1, 1)))[2]
    await world.step(REST_AFTER_FAILED_MATCH)
    orders = world.orders(1, 1)
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)


async def test_a_pool_without_coin_sends_nothing_and_says_who_must_act(pool):
    world = await pool()
    world.chain.gas_price = Wei(10)
    world.chain.drain(world.owner.address)
    assert (await refused(world, world.orders(1, 1)))[:2] == (503, "pool-out-of-gas")


async def test_nobody_asks_the_chain_for_what_nobody_has_signed(pool):
    world = await pool()
    world.pool.reach.outage = True  # a read would fail
    told = await refused(world, forged_request(world, world.orders(1, 1)))
    assert told[1] == "not-signed-by-party"
    world.pool.reach.outage = False


async def test_a_pool_as_it_is_started_takes_a_purchase_from_a_client_over_a_socket(tmp_path):
    started = Started(tmp_path)
    world, node = started.world, MemoryNode(started.world.chain)
    started.node, node.automine = node, False
    orders = world.orders(1, 1)
    async with started.serving(), httpx.AsyncClient() as http:
        seller = PoolClient(http, started.urls[0])
        assert (await seller.config()).by_signature is not None
        sent = await seller.hand_in(orders)
        assert (await seller.hand_in(orders)).tx == sent.tx
        assert len(node.pool) == 2
        node.mine()
    deal = world.chain.state.deals[sent.deal_id]
    ((_, task),) = deal.tasks()
    assert (deal.requester, deal.bot_size) == (world.requester.address, 1)
    assert world.view(task).status is ChainTaskStatus.ACTIVE
