"""The client against the real service: what it asks, believes, repeats, and how it tells a refusal."""

from __future__ import annotations

import inspect
import itertools

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_world import (
    APP,
    BUYER,
    DATASET,
    DOMAIN,
    HUB,
    MAKERS,
    POOL,
    SELLER,
    SIGNERS,
    STRANGER,
    app_order,
    hash_of,
    pool_order,
    request_order,
)

from poolhand.domain.errors import Malformed
from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market import refusals
from poolhand.domain.market.advice import advice
from poolhand.domain.market.book import BookStatus, sort_of
from poolhand.domain.market.filters import BookFilter, restricted_to
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import Signed
from poolhand.domain.tag import Tag
from poolhand.domain.units import NanoRlc, Seconds
from poolhand.transport.market_client import CHALLENGES_TRIED, MarketClient
from poolhand.transport.market_faults import LoginLost, MarketDown, MarketRefused
from poolhand.wire.market_asking import asked_of
from poolhand.wire.market_json import iso_moment, moment_of
from poolhand.wire.market_queries import EQUALS, RESTRICTIONS, list_filter

OTHER = Address(b"\x77" * 20)


def client_of(market, http=None) -> MarketClient:
    return MarketClient(http or market.http, "http://market", DOMAIN)


def signed(order):
    return Signed(order, SIGNERS[sort_of(order)].sign_order(DOMAIN, order))


async def put(market, order):
    market.clock[0] += 1
    return await client_of(market).publish(signed(order), SIGNERS[sort_of(order)])


# ------------------------------------------------------------------------------------------- asking


addresses = st.sampled_from([APP, DATASET, POOL, OTHER])
tags = st.sampled_from([None, Tag.of(["tee"]), Tag.of(["tee", "gpu"])])
numbers = st.none() | st.integers(1, 2**53 - 1)


@st.composite
def filters(draw):
    sort = draw(st.sampled_from(OrderSort))
    parties = {}
    for name in RESTRICTIONS[sort]:
        if draw(st.booleans()):
            named = draw(st.none() | addresses)
            parties[name] = restricted_to(named, strict=draw(st.booleans()))
    for name in EQUALS[sort]:
        if sort in (OrderSort.APP, OrderSort.DATASET) or draw(st.booleans()):
            parties[name] = (draw(addresses),)
    is_pool, is_request = sort is OrderSort.WORKERPOOL, sort is OrderSort.REQUEST
    trust = draw(st.none() | st.integers(2, 1000))
    return BookFilter(
        sort=sort,
        parties=parties,
        signer=None if is_request else draw(st.none() | addresses),
        category=draw(numbers) if is_pool or is_request else None,
        min_tag=draw(tags),
        max_tag=draw(tags),
        min_volume=draw(numbers),
        min_trust=trust if is_pool else None,
        max_trust=trust if is_request else None,
        bulk_only=sort is OrderSort.DATASET and draw(st.booleans()),
    )


@given(filters())
def test_a_filter_is_read_as_it_was_asked(wanted):
    assert list_filter(wanted.sort, asked_of(wanted)) == wanted


@given(st.integers(0, 253_402_300_798_999))
def test_a_moment_is_read_as_it_was_written(moment):
    assert moment_of(iso_moment(moment)) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2023-99-01T00:00:00Z"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(Malformed, match="is no moment"):
        moment_of(text)


# ------------------------------------------------------------------------------- publish and find


async def test_orders_of_every_sort_are_published_found_listed_and_taken_back(market):
    client = client_of(market)
    for sort, make in MAKERS.items():
        order, signer = make(), SIGNERS[sort]
        entry = await put(market, order)
        assert (entry.order, entry.signer) == (order, signer.address)
        assert (entry.status, entry.remaining) == (BookStatus.OPEN, order.volume)
        assert entry.published == market.clock[0]
        assert await client.find(sort, entry.order_hash) == entry
        wanted = BookFilter(sort, {sort.value: (APP,)}) if sort is OrderSort.APP else None
        wanted = wanted or BookFilter(
            sort, {"dataset": (DATASET,)} if sort.value == "dataset" else {}
        )
        page = await client.orders(wanted)
        assert (page.orders, page.count) == ((entry,), 1)
    for sort, resource in (
        (OrderSort.REQUEST, BUYER.address),
        (OrderSort.WORKERPOOL, POOL),
        (OrderSort.DATASET, DATASET),
        (OrderSort.APP, APP),
    ):
        gone = await client.unpublish_all(sort, resource, SIGNERS[sort])
        assert len(gone) == 1
        assert await client.find(sort, gone[0]) is None


async def test_one_the_newest_or_all_orders_are_taken_back(market):
    client, names = client_of(market), [(await put(market, app_order())).order_hash for _ in "1234"]
    assert await client.unpublish(OrderSort.APP, names[1], SELLER) == names[1]
    assert await client.unpublish_last(OrderSort.APP, APP, SELLER) == (names[3],)
    assert await client.unpublish_all(OrderSort.APP, APP, SELLER) == (names[2], names[0])
    with pytest.raises(MarketRefused, match="nothing to take out"):
        await client.unpublish_last(OrderSort.APP, APP, SELLER)


async def test_publishing_again_changes_nothing(market):
    order = app_order()
    first = await put(market, order)
    assert await put(market, order) == first


async def test_an_order_that_is_spent_cannot_be_published_again(market):
    app, pool, request = app_order(volume=1), pool_order(), request_order()
    for each in (app, pool, request):
        await put(market, each)
    market.match(app, pool, request, 1)
    await market.mine()
    with pytest.raises(MarketRefused, match=r"already published\. What to do: .*sign a new one"):
        await put(market, app)


async def test_pages_follow_one_another_and_no_order_comes_twice(market):
    names = [(await put(market, app_order(price=NanoRlc(n)))).order_hash for n in range(25)]
    wanted, client = BookFilter(OrderSort.APP, {"app": (APP,)}), client_of(market)
    for most in (1, 10, 11, 24, 25, 1000):
        found = [each.order_hash async for each in client.every_order(wanted, most)]
        assert found == names[:most]


async def test_deals_are_told_as_the_chain_has_them(market):
    app, pool, request = app_order(), pool_order(price=NanoRlc(0)), request_order(volume=2)
    for each in (app, pool, request):
        await put(market, each)
    made = market.match(app, pool, request, 2)
    await market.mine()
    client = client_of(market)
    page = await client.deals({"requester": str(BUYER.address)})
    assert page.count == 1
    (told,) = page.deals
    assert (told.deal_id, told.volume, told.price) == (made.deal_id, 2, 0)
    assert told.app.pointer == APP
    assert told == await client.deal(made.deal_id)
    assert (await client.deals({"requester": str(OTHER)})).deals == ()
    assert await client.deal(type(made.deal_id)(bytes(32))) is None
    assert (await client.health()).block == told.block


# -------------------------------------------------------------------------------------------- login


async def test_a_login_that_another_program_used_up_is_made_anew(market):
    """The market gives an address one challenge at a time: two programs of a wallet may meet."""
    order, spent = app_order(), []

    async def steal(request: httpx.Request) -> None:
        if request.method == "POST" and not spent:
            spent.append(request.headers["authorization"])
            headers = {"authorization": spent[0]}
            await market.http.post(request.url, json={}, headers=headers)

    http = httpx.AsyncClient(transport=market.http._transport, event_hooks={"request": [steal]})
    async with http:
        entry = await client_of(market, http).publish(signed(order), SELLER)
    assert entry.order == order
    assert spent


async def test_a_market_that_takes_no_login_is_not_asked_for_ever():
    asked = []

    def answer(request):
        asked.append(request.method)
        if request.method == "GET":
            return httpx.Response(200, json={"ok": True, "data": {"message": {"challenge": "x"}}})
        return httpx.Response(403, json={"ok": False, "error": "invalid authorization"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = MarketClient(http, "http://market", DOMAIN)
        with pytest.raises(LoginLost, match="run it again"):
            await client.publish(signed(app_order()), SELLER)
    assert asked == ["GET", "POST"] * CHALLENGES_TRIED


async def test_no_text_of_any_length_is_signed():
    def answer(_request):
        challenge = {"message": {"challenge": "x" * 501}}
        return httpx.Response(200, json={"ok": True, "data": challenge})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(Malformed, match="over 500"):
            await MarketClient(http, "http://market", DOMAIN).publish(signed(app_order()), SELLER)


# ----------------------------------------------------------------------------------------- refusals


def every_rule():
    made = {
        "BookFull": (20_000, NanoRlc(3), Seconds(7)),
        "MaxPriceTooLow": (OrderSort.DATASET, DATASET, NanoRlc(7)),
        "NotInMarket": ("deal",),
        "NotOrderSigner": (SELLER.address, "unpublish"),
        "NothingForRequest": (OrderSort.APP, APP),
        "NothingToUnpublish": (OrderSort.REQUEST, SELLER.address, APP),
        "OrderNotPublished": (OrderSort.APP, OrderHash(bytes(32))),
        "RequesterStakeTooLow": (NanoRlc(9),),
        "TooManyOpenOrders": (50, OrderSort.WORKERPOOL, SELLER.address),
    }
    kinds = [
        each
        for each in vars(refusals).values()
        if inspect.isclass(each) and issubclass(each, (refusals.MarketRule, refusals.NotInMarket))
    ]
    for kind in kinds:
        if kind is not refusals.MarketRule:
            more = {"tee": True} if kind is refusals.NothingForRequest else {}
            yield kind(*made.get(kind.__name__, ()), **more)


@pytest.mark.parametrize("rule", list(every_rule()), ids=lambda rule: rule.code)
def test_every_rule_of_the_book_comes_with_what_to_do(rule):
    assert advice(str(rule)) is not None


def test_what_nobody_foresaw_is_told_without_advice():
    assert advice("the moon is full") is None


async def test_a_refusal_says_what_happened_and_who_must_act(market):
    foreign = Signed(app_order(), STRANGER.sign_order(DOMAIN, app_order()))
    cases = (
        (foreign, SELLER, "invalid sign. What to do: .* sign it again"),
        (signed(app_order(app=OTHER)), SELLER, "Resource not deployed. What to do: .*check it"),
        (signed(app_order()), STRANGER, r"only order signer .* can publish .*\(--wallet\)"),
        (signed(request_order()), BUYER, "No apporder published .* must publish an order"),
    )
    for order, signer, told in cases:
        with pytest.raises(MarketRefused, match=told):
            await client_of(market).publish(order, signer)


async def test_a_market_of_another_chain_says_so(market):
    other = type(DOMAIN)(DOMAIN.name, DOMAIN.version, 1, HUB)
    client = MarketClient(market.http, "http://market", other)
    with pytest.raises(MarketRefused, match=r"of another chain: name another \(--market\)"):
        await client.orders(BookFilter(OrderSort.WORKERPOOL))


async def test_an_order_under_the_hash_of_another_is_not_believed(market):
    entry = await put(market, app_order(volume=5))
    path = f"/apporders/{entry.order_hash}"
    members = (await market.get(path)).json()
    members["order"]["volume"] = 6

    def answer(_request):
        return httpx.Response(200, json=members)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(Malformed, match="under the hash of another"):
            await MarketClient(http, "http://m", DOMAIN).find(OrderSort.APP, entry.order_hash)


@pytest.mark.parametrize(
    ("answer", "fault", "told"),
    [
        (httpx.Response(429, json={"ok": False, "error": "x"}), MarketDown, "wait a while"),
        (httpx.Response(500, json={"ok": False, "error": "x"}), MarketDown, "HTTP 500"),
        (httpx.Response(502, text="<html>"), MarketDown, "HTTP 502"),
        (httpx.Response(200, text="<html>"), Malformed, "is it really a market's URL"),
        (httpx.Response(200, json={"ok": True}), Malformed, "in a form unknown here"),
        (httpx.Response(403, json={}), Malformed, "in a form unknown here"),
        (httpx.Response(403, json={"error": "\x1b[2J"}), MarketRefused, r"\\x1b\[2J"),
    ],
)
async def test_every_other_answer_is_told_apart(answer, fault, told):
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as http:
        with pytest.raises(fault, match=told):
            await MarketClient(http, "http://m", DOMAIN).orders(BookFilter(OrderSort.WORKERPOOL))


@pytest.mark.parametrize("what", ["orders", "deals", "pools"])
async def test_more_rows_than_were_asked_for_are_not_worked_on(what):
    """Each order is combined with each other: a market could have a buyer try millions."""
    rows = {what: [{}] * 11, "count": 11}
    http = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=rows))
    )
    client = MarketClient(http, "http://market", DOMAIN)
    ask = {
        "orders": lambda: client.orders(BookFilter(OrderSort.WORKERPOOL), size=10),
        "deals": lambda: client.deals({}, size=10),
        "pools": lambda: client.pools(size=10),
    }
    with pytest.raises(Malformed, match="11 rows where 10 were asked for"):
        await ask[what]()


async def test_a_market_that_is_away_is_asked_again_and_an_order_it_took_is_not_lost(market):
    """The answer to a publication is lost: the second try finds the order in the book."""
    order, faults = app_order(), itertools.count()

    class Breaks(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            answer = await market.http._transport.handle_async_request(request)
            if request.method == "POST" and next(faults) == 0:
                raise httpx.ReadError("the line broke")
            return answer

    pauses = []

    async def pause(seconds):
        pauses.append(seconds)

    async with httpx.AsyncClient(transport=Breaks()) as http:
        with pytest.raises(MarketDown, match=r"check --market"):
            await client_of(market, http).publish(signed(order), SELLER)
        assert await client_of(market).find(OrderSort.APP, hash_of(order)) is not None
        second, faults = app_order(), itertools.count()
        client = MarketClient(http, "http://market", DOMAIN, pause)
        assert (await client.publish(signed(second), SELLER)).order == second
    assert pauses == [0.5]
