"""Publishing: the checks in their order, each in iExec's words, and nothing written on refusal."""

from __future__ import annotations

import pytest
from market_world import (
    APP,
    BUYER,
    CHAIN,
    CHAIN_ID,
    DATASET,
    DOMAIN,
    MAKERS,
    PATHS,
    POOL,
    POOL_OWNER,
    SELLER,
    SIGNERS,
    STRANGER,
    a_market,
    app_order,
    dataset_order,
    hash_of,
    pool_order,
    refused,
    request_order,
)

from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import Address
from poolhand.domain.market.challenges import challenge_digest
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag
from poolhand.domain.units import NanoRlc
from poolhand.wire.market_orders import market_order

TEE = Tag.of(["tee"])
OTHER = Address(b"\x77" * 20)


async def test_a_published_order_is_told_as_it_was_signed(market):
    for sort, make in MAKERS.items():
        order = make()
        told = await market.published(order)
        signed = market_order(sort, order, SIGNERS[sort].sign_order(DOMAIN, order))
        expected = {
            "orderHash": str(hash_of(order)),
            "chainId": CHAIN_ID,
            "order": signed,
            "remaining": order.volume,
            "status": "open",
            "publicationTimestamp": told["publicationTimestamp"],
            "signer": str(SIGNERS[sort].address),
            **({"bulk": False} if sort is OrderSort.DATASET else {}),
        }
        assert told == expected
        assert told["publicationTimestamp"].startswith("2023-11-14T22:13:20.0")
        assert len(told["publicationTimestamp"]) == len("2023-11-14T22:13:20.001Z")
        found = (await market.get(f"{PATHS[sort]}/{hash_of(order)}")).json()
        expected.pop("bulk", None)
        assert found == {"ok": True, **expected, "chainId": str(CHAIN_ID)}


async def test_the_chain_is_asked_for_before_anything_else(market):
    for chain_id, text in (
        ({}, "chainId is a required field"),
        ({"chainId": "1"}, "chainId 1 is not supported"),
    ):
        for sort in OrderSort:
            answer = await market.http.post(PATHS[sort], params=chain_id, content=b"{")
            refused(answer, 400, text)
            refused(await market.http.get(PATHS[sort], params=chain_id), 400, text)
        refused(await market.http.get("/deals", params=chain_id), 400, text)


SECP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


async def test_another_form_of_a_good_signature_is_none(market):
    """High s, v of another kind, cut off or with more behind: what the contracts refuse, too."""
    order = app_order()
    good = SELLER.sign_order(DOMAIN, order)
    high = (SECP_ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    for sign in (
        good[:32] + high + bytes([55 - good[64]]),
        good[:32] + high + good[64:],
        good[:64] + bytes([good[64] - 27]),
        good[:64] + bytes([good[64] + 8]),
        good[:64] + bytes([55 - good[64]]),
        good + b"\0",
        good[:63],
    ):
        refused(await market.send(order, sign="0x" + sign.hex()), 403, "invalid sign")
        assert await market.status(order) is None
    assert (await market.get("/metrics")).json()["apporders"] == 0
    await market.published(order)


async def test_an_order_for_another_chain_or_hub_is_not_signed_for_this_one(market):
    for domain in (order_domain(1, DOMAIN.contract), order_domain(CHAIN_ID, OTHER)):
        order = app_order()
        sign = "0x" + SELLER.sign_order(domain, order).hex()
        refused(await market.send(order, sign=sign), 403, "invalid sign")


async def test_the_same_order_is_published_once(market):
    order = app_order()
    await market.published(order)
    refused(await market.send(order), 403, "order already published")


async def test_what_is_not_deployed_is_not_sold(market):
    refused(await market.send(app_order(app=OTHER)), 403, "Resource not deployed")
    refused(await market.send(app_order(app=POOL)), 403, "Resource not deployed")


async def test_only_the_owner_publishes(market):
    for order in (app_order(), dataset_order(), pool_order(), request_order()):
        owner = SIGNERS[next(s for s, m in MAKERS.items() if isinstance(order, type(m())))]
        text = f"only order signer {owner.address} can publish an order"
        refused(await market.send(order, STRANGER), 403, text)


async def test_a_signature_of_somebody_else_or_of_another_order_is_no_signature(market):
    order = app_order()
    for sign in (
        STRANGER.sign_order(DOMAIN, order),
        SELLER.sign_order(DOMAIN, app_order()),
        b"",
        b"\x01",
        b"\x00" * 65,
    ):
        refused(await market.send(order, sign="0x" + sign.hex()), 403, "invalid sign")
    assert await market.status(order) is None


async def test_a_contract_signs_by_its_own_rule(market):
    contract = Address(b"\xcc" * 20)
    market.chain.deploy(contract, lambda _digest, sign: sign == b"mine")
    market.chain.register(OrderSort.APP, OTHER, contract)
    await market.mine()
    order = app_order(app=OTHER)
    told = (await market.get("/challenge", address=str(contract))).json()["data"]
    digest = challenge_digest(CHAIN_ID, told["message"]["challenge"])

    async def send(header_sign, order_sign):
        header = f"0x{digest.hex()}_0x{header_sign.hex()}_{contract}"
        members = market_order(OrderSort.APP, order, order_sign)
        return await market.http.post(
            PATHS[OrderSort.APP],
            params=CHAIN,
            json={"order": members},
            headers={"authorization": header},
        )

    refused(await send(b"other", b"mine"), 403, "invalid authorization")
    assert (await send(b"mine", b"mine")).status_code == 200


async def test_one_signer_has_so_many_open_orders_and_no_more(database_url):
    async with a_market(database_url, most_open=2) as market:
        first = app_order()
        await market.published(first)
        await market.published(app_order())
        text = f"maximum of 2 published open apporder has been reached for wallet {SELLER.address}"
        refused(await market.send(app_order()), 403, text)
        await market.published(dataset_order())
        await market.unpublish(OrderSort.APP, SELLER, orderHash=str(hash_of(first)))
        await market.published(app_order())


async def test_an_order_of_which_nothing_is_left_is_not_sold(market):
    order = app_order(volume=3)
    market.chain.close(OrderSort.APP, hash_of(order), 3)
    await market.mine()
    refused(await market.send(order), 403, "order already consumed")
    part = app_order(volume=5)
    market.chain.close(OrderSort.APP, hash_of(part), 2)
    await market.mine()
    assert (await market.published(part))["remaining"] == 3


async def test_a_pool_sells_what_its_owners_stake_covers(market):
    market.chain.deposit(POOL_OWNER.address, 10)
    await market.mine()
    text = "workerpool owner's stake is too low to cover required workerpool lock"
    refused(await market.send(pool_order(price=NanoRlc(4), volume=11)), 403, text)
    await market.published(pool_order(price=NanoRlc(4), volume=10))
    await market.published(pool_order(price=NanoRlc(3), volume=10**9))  # floor(0.9) locks nothing


async def test_a_requester_orders_what_its_stake_covers_before_apps_are_looked_at(market):
    paid = request_order(
        app_max_price=NanoRlc(1),
        workerpool_max_price=NanoRlc(2),
        dataset_max_price=NanoRlc(3),
        volume=7,
    )
    text = "requester stake is too low to cover requestorder payment, minimum stake required is 42 nRLC"
    refused(await market.send(paid), 403, text)
    market.chain.deposit(BUYER.address, 42)
    await market.mine()
    refused(await market.send(paid), 403, f"No apporder published for app {APP}")


async def test_a_request_needs_an_open_order_of_its_app_and_dataset(market):
    request = request_order(dataset=DATASET)
    refused(await market.send(request), 403, f"No apporder published for app {APP}")
    await market.published(app_order(price=NanoRlc(5)))
    text = f"appmaxprice for app {APP} is too low, actual best price is 5 nRLC"
    refused(await market.send(request), 403, text)
    await market.published(app_order())
    refused(await market.send(request), 403, f"No datasetorder published for dataset {DATASET}")
    await market.published(dataset_order(price=NanoRlc(6)))
    text = f"datasetmaxprice for dataset {DATASET} is too low, actual best price is 6 nRLC"
    refused(await market.send(request), 403, text)
    await market.published(dataset_order(app_restrict=APP))
    await market.published(request)


async def test_a_tee_request_needs_a_tee_app(market):
    await market.published(app_order())
    refused(
        await market.send(request_order(tag=TEE)),
        403,
        f"No tee enabled apporder published for app {APP}",
    )
    await market.published(app_order(tag=Tag.of(["tee", "tdx"])))
    await market.published(request_order(tag=TEE))


@pytest.mark.parametrize("limit", ["dataset_restrict", "workerpool_restrict", "requester_restrict"])
async def test_an_app_order_for_others_serves_no_request(market, limit):
    await market.published(app_order(**{limit: OTHER}))
    refused(await market.send(request_order()), 403, f"No apporder published for app {APP}")
    own = {
        "dataset_restrict": DATASET,
        "workerpool_restrict": POOL,
        "requester_restrict": BUYER.address,
    }[limit]
    await market.published(app_order(**{limit: own}))
    await market.published(dataset_order())
    fitting = request_order(dataset=DATASET, workerpool=POOL)
    await market.published(fitting)


async def test_rules_are_tried_in_their_order(market):
    """Each order breaks two rules at least; the earlier one is told."""
    order = app_order()
    await market.published(order)
    refused(await market.send(order, sign="0x00"), 403, "order already published")
    refused(
        await market.send(app_order(app=OTHER), STRANGER, sign="0x00"), 403, "Resource not deployed"
    )
    text = f"only order signer {SELLER.address} can publish an order"
    refused(await market.send(app_order(), STRANGER, sign="0x00"), 403, text)
    used = app_order(volume=1)
    market.chain.close(OrderSort.APP, hash_of(used), 1)
    await market.mine()
    refused(await market.send(used, sign="0x00"), 403, "invalid sign")


async def test_an_order_can_be_published_right_after_its_app_was_deployed(market):
    market.chain.register(OrderSort.APP, OTHER, SELLER.address)
    market.chain.mine()  # nobody has told the market yet
    await market.published(app_order(app=OTHER))


async def test_while_the_chain_is_away_a_client_is_told_to_come_again(market):
    header = await market.header(SELLER)
    market.chain.outage = True
    order = app_order()
    body = {"order": market_order(OrderSort.APP, order, SELLER.sign_order(DOMAIN, order))}
    answer = await market.http.post(
        PATHS[OrderSort.APP], params=CHAIN, json=body, headers={"authorization": header}
    )
    refused(answer, 500, "Something went wrong, you should retry later.")
    assert (await market.get(PATHS[OrderSort.APP], app=str(APP))).json()["count"] == 0
