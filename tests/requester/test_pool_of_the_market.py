"""A pool that only the market knows: handed in there by signature, followed there, or done without."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_handing_in import FOR_NOTHING, Hasty, senders
from test_results import news

from market_stall import STALL_URL, open_stall
from poolhand.domain.errors import OutOfGas
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.onchain import Initialize
from poolhand.domain.units import NanoRlc, Wei
from poolhand.requester.handing_in import NobodySends
from poolhand.requester.session import Session
from poolhand.settings.chain import ChainSettings
from requester_market import RLC, FakePool

AGREED = "2.000000005 RLC in all: agree with --by-signature --max-price 2.000000005"
FAR, LIAR = "https://pool.example", "https://liar.example"


@pytest.fixture
async def fair(market, tmp_path):
    """A market with a pool's order and profile; its requester knows no pool and has coin."""
    liar = FakePool(market.chain, market.pool.owner, ZERO_ADDRESS, sends=FOR_NOTHING)
    pools = {"pool_example": market.pool.app(), "liar_example": liar.app()}
    async with open_stall(market, tmp_path, **pools) as made:
        market.clock, market.pool.sends = Hasty(), FOR_NOTHING
        market.hosts |= {"pool.example": "8.8.8.8", "liar.example": "8.8.4.4"}
        liar.workerpool = made.rival
        market.made, made.liar = await market.wish(), liar
        await made.sell_pool(2 * RLC)
        for wallet in (market.pool.owner, market.wallet):
            market.chain.fund(wallet.address, coin=Wei(10**9))
        market.chain.gas_price = Wei(1)
        yield made


async def register(stall, url):
    pool = stall.world.pool
    profile = PoolProfile(pool.workerpool, pool.owner.address, "P", "", url, FAR)
    await stall.client.register(profile, pool.owner)


async def buy(market, **how):
    return await market.requester().buy(market.made, **{"by_signature": None, **how})


async def test_a_pool_found_in_the_market_sends_the_purchase_of_who_has_no_coin(market, fair):
    market.chain.drain(market.wallet.address)
    await register(fair, FAR)
    bought = await buy(market)
    assert (bought.sent_by, bought.why_not_by_pool) == (FAR, "")
    assert senders(market) == [market.pool.owner.address]
    assert len(market.pool.handed_in) == 1


async def test_its_tasks_are_followed_at_the_pool_that_the_market_tells(market, fair):
    await register(fair, FAR)
    deal = await Session(market.requester()).buy(market.made)
    (task,) = deal.tasks
    market.pool.tasks[task.id] = news(deal.deal, task.id, market.pool, "RUNNING", "COMPUTING")
    assert (await deal.look()).tasks[0].status == "RUNNING"
    call = Initialize(((deal.id, 0),))
    await market.chain.sender(market.pool.owner).send("init", call)
    market.pool.logs = {}
    assert await task.logs() == {}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (LIAR, "is {rival}, not {pool} as is said"),
        ("https://nobody.example", "does not answer"),
        ("https://inside.example", "no public https URL"),
        ("http://pool.example", "no public https URL"),
        ("http://127.0.0.1:2375", "no public https URL"),
    ],
)
async def test_a_profile_that_lies_is_told_in_one_line_and_the_wallet_sends(
    market, fair, url, said
):
    market.hosts |= {"inside.example": "10.0.0.1", "nobody.example": "9.9.9.9"}
    await register(fair, url)
    bought = await buy(market)
    assert (bought.sent_by, senders(market)) == (None, [market.wallet.address])
    told = said.format(rival=fair.rival, pool=market.pool.workerpool)
    assert told in bought.why_not_by_pool
    assert "\n" not in bought.why_not_by_pool
    assert fair.liar.handed_in == market.pool.handed_in == []


async def test_a_pool_of_another_chain_at_the_place_gets_nothing(market, fair):
    await register(fair, FAR)
    market.pool.hub = market.wallet.address
    bought = await buy(market)
    assert f"serves hub {market.wallet.address}" in bought.why_not_by_pool
    assert market.pool.handed_in == []


async def test_a_stranger_is_asked_nothing_before_it_said_which_pool_it_is(market, fair):
    await register(fair, LIAR)
    deal = (await buy(market)).deal
    asked = []

    async def note(request):
        if request.url.host == "liar.example":
            asked.append(request.url.path)

    market.http.event_hooks["request"] = [note]
    await market.requester().look(deal)
    assert set(asked) == {"/v1/config"}


async def test_on_a_chain_of_this_machine_a_pool_of_this_machine_is_asked(market, fair):
    await register(fair, "http://127.0.0.1:2375")
    chain = ChainSettings(("http://127.0.0.1:8545",), market.chain.facts.hub)
    market.settings = replace(market.settings, chain=chain)
    assert "HTTP 404" in (await buy(market)).why_not_by_pool  # it was asked


async def test_a_pool_without_profile_is_no_news_unless_it_was_to_send(market, fair):
    assert (await buy(market)).why_not_by_pool == ""
    bought = await buy(market, by_signature=True)
    assert f"told the market at {STALL_URL} no URL" in bought.why_not_by_pool
    assert "\n" not in bought.why_not_by_pool
    await register(fair, FAR)
    assert (await buy(market, by_signature=False)).sent_by is None
    market.pool.sends = None
    assert (await buy(market)).why_not_by_pool == ""
    assert "sends no purchases" in (await buy(market, by_signature=True)).why_not_by_pool


async def test_without_coin_it_is_said_why_no_pool_sends_and_later_one_does(market, fair):
    market.chain.drain(market.wallet.address)
    await register(fair, "https://nobody.example")
    market.hosts["nobody.example"] = "9.9.9.9"
    with pytest.raises(NobodySends, match=r"does not answer.*send it at least") as caught:
        await buy(market)
    assert isinstance(caught.value.__cause__, OutOfGas)
    await register(fair, FAR)
    bought = await buy(market)
    assert (bought.resumed, bought.sent_by) == (True, FAR)
    assert market.deals == 1


async def test_a_fee_is_named_with_what_to_do(market, fair):
    await register(fair, FAR)
    market.pool.sends = {"fee": 5, "most_params": 1024}
    market.chain.drain(market.wallet.address)
    with pytest.raises(NobodySends, match=AGREED):
        await buy(market)
    with pytest.raises(NobodySends, match=AGREED):
        await buy(market, by_signature=True)


async def test_a_fee_is_paid_to_a_pool_of_the_market_within_the_limit(market, fair):
    """The pool that the cheapest order led to is asked for one with its fee."""
    market.chain.drain(market.wallet.address)
    await register(fair, FAR)
    market.pool.sends = {"fee": 5, "most_params": 1024}
    market.made = replace(market.made, max_price=NanoRlc(2 * RLC + 5))
    bought = await buy(market, by_signature=True)
    assert (bought.sent_by, bought.why_not_by_pool) == (FAR, "")
    assert bought.deal.price == 2 * RLC + 5
    assert senders(market) == [market.pool.owner.address]


async def test_over_the_limit_a_fee_is_told_with_its_price_and_the_wallet_sends(market, fair):
    await register(fair, FAR)
    market.pool.sends = {"fee": 5, "most_params": 1024}
    market.made = replace(market.made, max_price=NanoRlc(2 * RLC + 4))
    bought = await buy(market, by_signature=True)
    assert (bought.sent_by, bought.deal.price) == (None, 2 * RLC)
    told = "2.000000005 RLC in all, over --max-price 2.000000004: raise it to 2.000000005"
    assert told in bought.why_not_by_pool


async def test_a_cheap_order_is_no_bait_for_a_high_fee(market, fair):
    """What the pool asks beside its order in the market nobody has agreed to without a limit."""
    await register(fair, FAR)
    market.pool.sends = {"fee": 500 * RLC, "most_params": 1024}
    bought = await buy(market, by_signature=True)
    assert (bought.sent_by, bought.deal.price) == (None, 2 * RLC)
    assert "502 RLC in all" in bought.why_not_by_pool


async def test_a_pool_that_sells_no_order_with_its_fee_does_not_hinder_the_purchase(market, fair):
    await register(fair, FAR)
    market.pool.sends = {"fee": 5, "most_params": 1024}
    market.pool.refuses = (409, "no-worker-for-it", "all of its workers are busy")
    bought = await buy(market, by_signature=True)
    assert (bought.sent_by, bought.deal.price) == (None, 2 * RLC)
    assert "all of its workers are busy" in bought.why_not_by_pool
