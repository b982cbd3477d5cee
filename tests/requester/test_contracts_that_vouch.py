"""Buying what is restricted to a group, and what a contract sells: both are asked, none is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market_stall import SELLER, open_stall
from poolhand.domain.ids import Address
from poolhand.domain.onchain import CreateApp
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import Signed
from poolhand.domain.units import NanoRlc
from poolhand.requester.checking import OrdersUnfit
from poolhand.requester.sellers import NothingFits
from poolhand.requester.selling import standing
from poolhand.requester.wish import Wish, own_app_order
from requester_market import RLC

CLUB, HOUSE = Address(b"\xc1" * 20), Address(b"\x1c" * 20)
SALT = b"\x05" * 32


@pytest.fixture
async def stall(market, tmp_path):
    async with open_stall(market, tmp_path) as made:
        yield made


async def test_an_order_for_a_group_is_bought_by_its_members(market, stall):
    app = await stall.app()
    await stall.sell_app(app, workerpool_restrict=CLUB)
    await stall.sell_pool(2 * RLC, requester_restrict=CLUB, app_restrict=CLUB)
    market.chain.form_group(CLUB, [market.wallet.address, app, market.pool.workerpool])
    assert (await market.requester().buy(Wish(app))).deal.price == 2 * RLC


async def test_an_order_for_a_group_is_not_open_to_anybody_else(market, stall):
    app = await stall.app()
    await stall.sell_app(app)
    await stall.sell_pool(2 * RLC, requester_restrict=CLUB)
    market.chain.form_group(CLUB, [SELLER.address])
    with pytest.raises(NothingFits, match=f"{CLUB}, not {market.wallet.address}") as caught:
        await market.requester().buy(Wish(app))
    assert "not asked" not in str(caught.value)


async def test_an_order_of_a_contract_is_bought_when_it_answers_for_it(market, stall):
    await stall.sell_pool(RLC)
    made = CreateApp(HOUSE, "house", b"docker.io/owner/app:1", bytes([1] * 32))
    app = (await market.chain.sender(SELLER).send("house", made)).created
    order = own_app_order(Wish(app), market.wallet.address, SALT)
    digest = order_hash(market.chain.domain, order)
    wish = Wish(app, app_order=Signed(order, b"any word"))
    market.chain.deploy(HOUSE, lambda asked, sign: (asked, sign) == (digest, b"any word"))
    told = (await standing(market.chain.hub, wish.app_order, None)).words
    assert told.endswith("no market was asked")
    assert (await market.requester().buy(wish)).deal.app.owner == HOUSE
    other = replace(wish, app_order=Signed(replace(order, price=NanoRlc(1)), b"any word"))
    with pytest.raises(OrdersUnfit, match=f"{HOUSE} does not answer for it"):
        await market.requester().buy(other)
