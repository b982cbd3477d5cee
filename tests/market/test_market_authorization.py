"""Who asks? Challenges, and the header that proves it: one text for whatever is wrong with it."""

from __future__ import annotations

from market_world import (
    BUYER,
    CHAIN,
    CHAIN_ID,
    DOMAIN,
    PATHS,
    SELLER,
    STRANGER,
    a_market,
    app_order,
    refused,
    sign_digest,
)

from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.market.challenges import challenge_digest
from poolhand.domain.market_events import OrderSort
from poolhand.wire.market_orders import market_order


def forged(header: str, **changes: str) -> str:
    parts = dict(zip(("digest", "sign", "address"), header.split("_"), strict=True))
    return "_".join({**parts, **changes}.values())


async def malleable(market, wallet):
    """The other valid s of the same signature: what the chain refuses."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    header = await market.header(wallet)
    raw = bytes.fromhex(header.split("_")[1][2:])
    high = (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    return forged(header, sign="0x" + (raw[:32] + high + bytes([55 - raw[64]])).hex())


async def test_every_bad_authorization_has_one_text(market):
    order = app_order()
    body = {"order": market_order(OrderSort.APP, order, SELLER.sign_order(DOMAIN, order))}
    good = await market.header(SELLER)
    used = await market.header(BUYER)
    await market.http.post(
        PATHS[OrderSort.APP], params=CHAIN, json={}, headers={"authorization": used}
    )
    digest = challenge_digest(1, "Sign this message to log into iExec Gateway: abc")
    other_chain = f"0x{digest.hex()}_0x{sign_digest(SELLER, digest).hex()}_{SELLER.address}"
    for header in (
        None,
        "",
        "a_b_c",
        used,
        other_chain,
        forged(good, address=str(STRANGER.address)),
        forged(good, sign="0x" + "11" * 65),
        forged(good, sign="0x" + "00" * 65),
        forged(good, digest="0x" + "11" * 32),
        forged(good, address=str(ZERO_ADDRESS)),
        await malleable(market, SELLER),
        good + "_",
        good * 100,
    ):
        headers = {} if header is None else {"authorization": header}
        for method in ("POST", "PUT"):
            answer = await market.http.request(
                method, PATHS[OrderSort.APP], params=CHAIN, json=body, headers=headers
            )
            refused(answer, 403, "invalid authorization")
    assert await market.status(order) is None


async def test_a_challenge_is_the_same_until_it_is_used_and_good_once(market):
    first, again = await market.header(SELLER), await market.header(SELLER)
    assert first == again
    headers = {"authorization": first}
    answer = await market.http.post(PATHS[OrderSort.APP], params=CHAIN, json={}, headers=headers)
    refused(answer, 400, "order is a required field")  # the challenge is gone all the same
    answer = await market.http.post(PATHS[OrderSort.APP], params=CHAIN, json={}, headers=headers)
    refused(answer, 403, "invalid authorization")
    assert await market.header(SELLER) != first


async def test_a_challenge_that_has_expired_is_no_good(market):
    header = await market.header(SELLER)
    market.clock[0] += 300_000
    answer = await market.http.post(
        PATHS[OrderSort.APP], params=CHAIN, json={}, headers={"authorization": header}
    )
    refused(answer, 403, "invalid authorization")


async def test_a_challenge_expires_however_the_clock_is_set(database_url):
    async with a_market(database_url, clock=[1_700_000_000_000, 0]) as market:
        header = await market.header(SELLER)
        market.clock[0] += 3_600_000
        order = app_order()
        members = market_order(OrderSort.APP, order, SELLER.sign_order(DOMAIN, order))

        async def send(told):
            return await market.http.post(
                PATHS[OrderSort.APP],
                params=CHAIN,
                json={"order": members},
                headers={"authorization": told},
            )

        assert (await send(header)).status_code == 200
        late = await market.header(SELLER)
        market.clock[0] -= 7_200_000
        market.clock[1] += 300_000
        refused(await send(late), 403, "invalid authorization")


async def test_a_challenge_is_told_as_typed_data(market):
    answer = await market.get("/challenge", address=str(ZERO_ADDRESS))
    data = answer.json()["data"]
    assert data["primaryType"] == "Challenge"
    assert data["domain"] == {"name": "iExec Gateway", "version": "1", "chainId": str(CHAIN_ID)}
    text = data["message"]["challenge"]
    assert text.startswith("Sign this message to log into iExec Gateway: ")
    assert len(text) == len("Sign this message to log into iExec Gateway: ") + 32
    refused(await market.get("/challenge"), 400, "address is a required field")
    refused(
        await market.get("/challenge", address="0x12"),
        400,
        "address is not a valid ethereum address",
    )
