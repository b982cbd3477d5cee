"""Owners that are contracts, and groups: what they say is asked, and the hub agrees with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hub_world import Group, SigningContract

from poolhand.chain.errors import OrdersRefused
from poolhand.domain.ids import Address
from poolhand.domain.onchain import CreateApp
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.groups import Membership
from poolhand.domain.orders.matching import Match, match_orders
from poolhand.domain.orders.model import Signed
from poolhand.domain.orders.reasons import Reason
from poolhand.ports.market_chain import SignedHash
from poolhand.requester.checking import facts_of, order_state

HOUSE, CLUB = Address(b"\x1c" * 20), Address(b"\xc1" * 20)
WORD = b"any word"


async def judged(market, orders):
    return match_orders(orders, await facts_of(market.world.hub, orders))


async def of_a_contract(market):
    """Return orders with an app that a contract owns and answers for."""
    world, orders = market.world, market.orders()
    made = CreateApp(HOUSE, "house", b"docker.io/owner/app:1", bytes([1] * 32))
    app = (await world.send(world.owner, made)).created
    request = replace(orders.request.order, app=app)
    asked = Signed(request, world.requester.sign_order(world.domain, request))
    sold = Signed(replace(orders.app.order, app=app), WORD)
    return replace(orders, app=sold, request=asked)


async def test_an_order_for_which_its_owner_a_contract_answers_is_signed(market):
    world, orders = market.world, await of_a_contract(market)
    (told,) = await judged(market, orders)
    assert told.reason is Reason.APP_SIGNATURE
    digest = order_hash(world.domain, orders.app.order)
    await world.put(HOUSE, SigningContract(digest))
    assert (await order_state(world.hub, orders.app)).usable
    assert isinstance(await judged(market, orders), Match)
    receipt = await world.send(world.requester, orders)
    assert len(receipt.deals) == 1, "the hub says so, too"


async def test_an_order_for_which_the_contract_does_not_answer_is_not(market):
    world, orders = market.world, await of_a_contract(market)
    await world.put(HOUSE, SigningContract(bytes(32)))
    (told,) = await judged(market, orders)
    assert told.reason is Reason.APP_SIGNATURE
    assert f"{HOUSE} does not answer for it" in told.sentence
    assert not (await order_state(world.hub, orders.app)).usable
    with pytest.raises(OrdersRefused):
        await world.send(world.requester, orders)


async def test_what_the_hub_takes_is_told_of_each_signature(market):
    world, orders = market.world, market.orders()
    plain = SignedHash(
        world.owner.address, order_hash(world.domain, orders.app.order), orders.app.signature
    )
    await world.put(HOUSE, SigningContract(plain.digest))
    word = SignedHash(HOUSE, plain.digest, WORD)
    wrong = (
        replace(plain, account=world.requester.address),
        replace(plain, sign=b""),
        replace(plain, sign=WORD),
        replace(word, digest=order_hash(world.domain, orders.request.order)),
        replace(word, account=CLUB),
    )
    assert await world.hub.taken([plain, word, *wrong, plain]) == {plain, word}
    assert await world.hub.taken([]) == frozenset()


async def test_a_group_says_who_belongs_to_it_and_whatever_is_none_has_no_members(market):
    world, member = market.world, market.world.requester.address
    await world.put(CLUB, Group(member))
    echo = Address((4).to_bytes(20, "big"))  # answers with the question, on every chain
    inside = Membership(CLUB, member)
    outside = [
        Membership(CLUB, world.owner.address),
        *(Membership(each, member) for each in (HOUSE, market.app, world.owner.address, echo)),
    ]
    assert await world.hub.members([inside, *outside, inside]) == {inside}
    assert await world.hub.members([]) == frozenset()


async def test_an_order_restricted_to_a_group_is_open_to_its_members_alone(market):
    world, orders = market.world, market.orders()
    order = replace(orders.workerpool.order, requester_restrict=CLUB)
    sold = Signed(order, world.owner.sign_order(world.domain, order))
    orders = replace(orders, workerpool=sold)
    await world.put(CLUB, Group(world.owner.address))
    (told,) = await judged(market, orders)
    assert told.reason is Reason.WORKERPOOL_RESTRICTS_REQUESTER
    assert "not asked" not in told.sentence
    with pytest.raises(OrdersRefused):
        await world.send(world.requester, orders)
    await world.put(CLUB, Group(world.requester.address))
    assert isinstance(await judged(market, orders), Match)
    assert len((await world.send(world.requester, orders)).deals) == 1
