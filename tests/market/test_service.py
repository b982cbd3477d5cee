"""The service around the book: limits, origins, its description, its command."""

from __future__ import annotations

import asyncio
import json

import pytest
from market_world import APP, CHAIN, a_market, app_order

from poolhand.cli.main import run
from poolhand.domain.market.rates import EXEMPT, RequestRates, client_key
from poolhand.market.api.edge import client_of, far_client
from poolhand.market.assembly import serve_market
from poolhand.transport.asgi import bind


@pytest.fixture
def database_url(tmp_path):
    return f"sqlite:///{tmp_path / 'market.db'}"


async def test_a_client_that_asks_too_often_is_told_so(database_url):
    async with a_market(database_url, most_requests=3, rate_window=60) as market:
        for _ in range(3):
            assert (await market.http.get("/version")).status_code == 200
        answer = await market.http.get("/version")
        assert answer.status_code == 429
        assert answer.json() == {"ok": False, "error": "Rate limit exceeded"}
        other = {"x-real-ip": "203.0.113.9"}
        assert (await market.http.get("/version", headers=other)).status_code == 200
        assert (await market.http.get("/health")).status_code == 200
        market.clock[0] += 60_000
        assert (await market.http.get("/version")).status_code == 200


def test_what_a_stranger_says_of_its_client_is_not_believed():
    assert client_key("127.0.0.1", "198.51.100.1", "198.51.100.2") == "198.51.100.1"
    assert client_key("10.0.0.1", None, "198.51.100.2") == "198.51.100.2"
    assert client_key("8.8.8.8", "198.51.100.1", None) == "8.8.8.8"
    assert client_key("8.8.8.8", None, None) == "8.8.8.8"


def test_of_loopback_one_spelling_is_exempt():
    rates = RequestRates(1, 60)
    assert [rates.admits("127.0.0.1", 0.0) for _ in range(2)] == [True, False]
    assert all(rates.admits(EXEMPT, 0.0) for _ in range(5))


def test_hops_that_the_client_wrote_itself_are_no_way_around_the_limit():
    """A proxy adds where it was asked from behind whatever it was told."""
    for written in ("198.51.100.1", "198.51.100.2, 198.51.100.3", EXEMPT, ""):
        assert client_key("10.0.0.1", None, f"{written}, 203.0.113.9") == "203.0.113.9"


def test_nobody_is_exempt_by_what_is_said_of_it():
    for told in ((EXEMPT, None), (None, EXEMPT), (None, f"203.0.113.9, {EXEMPT}")):
        assert client_key("127.0.0.1", *told) == "127.0.0.1"
    assert client_key(EXEMPT, None, None) == EXEMPT


def test_addresses_of_one_neighbourhood_count_as_one_client():
    """Whoever has an IPv6 address has all of its /64; IPv4 in IPv6's spelling is IPv4."""

    def client(peer):
        return client_of({"type": "http", "headers": [], "client": (peer, 1)})

    assert client("2001:db8::1") == client("2001:db8::ffff:2") != client("2001:db8:0:1::1")
    assert client("::ffff:203.0.113.9") == client("203.0.113.9") != client("::ffff:203.0.113.8")
    assert client(EXEMPT) == EXEMPT


def test_who_asks_from_this_machine_may_have_any_number_of_pages_open():
    def who(peer, **headers):
        told = [(name.encode(), value.encode()) for name, value in headers.items()]
        return far_client({"type": "http", "headers": told, "client": (peer, 1)})

    assert (who("127.0.0.1"), who("::1"), who(EXEMPT)) == ("", "", "")
    assert who("127.0.0.1", **{"x-real-ip": "203.0.113.9"}) == "203.0.113.9"
    assert who("8.8.8.8", **{"x-real-ip": "127.0.0.1"}) == "8.8.8.8"


async def test_pages_of_any_origin_may_ask(market):
    answer = await market.http.options(
        "/apporders",
        headers={
            "Origin": "https://somewhere.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in ("*", "https://somewhere.example")
    told = await market.get("/apporders", app=str(APP))
    assert "access-control-allow-origin" not in told.headers
    told = await market.http.get(
        "/apporders", params=CHAIN, headers={"Origin": "https://a.example"}
    )
    assert told.headers["access-control-allow-origin"] == "*"


async def test_head_is_answered_as_get_without_a_body(market):
    for path in ("/apporders?app=any", "/apporders", "/metrics", "/nowhere", "/pages"):
        told, asked = await market.get(path), await market.http.head(path, params=CHAIN)
        assert (asked.status_code, asked.content) == (told.status_code, b"")
        for name in ("content-type", "content-length"):
            assert asked.headers[name] == told.headers[name]


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (b"GET /health HTTP/1.1\r\nHost: m\r\nX-Long: " + b"x" * 70_000, 431, "send fewer headers"),
        (b"GET /health?" + b"a=1&" * 20_000 + b" HTTP/1.1\r\n", 431, "send fewer headers"),
        (b"BREW /coffee\r\n\r\n", 400, "see its line"),
    ],
    ids=["headers", "query", "no-http"],
)
async def test_what_reaches_no_route_is_refused_as_everything_else(
    database_url, asked, status, words
):
    async with a_market(database_url) as market:
        up, listener = asyncio.get_running_loop().create_future(), bind("127.0.0.1", 0)
        app = market.http._transport.app
        serving = asyncio.ensure_future(serve_market(app, listener, up.set_result))
        reader, writer = await asyncio.open_connection("127.0.0.1", await up)
        writer.write(asked)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert int(head.split()[1]) == status
    told = json.loads(body)
    assert (told["ok"], words in told["error"], len(told)) == (False, True, 2)


async def test_every_route_is_described_with_its_answers(market):
    told = (await market.http.get("/openapi.json")).json()
    assert len(told["paths"]) == 32
    ids = set()
    for methods in told["paths"].values():
        for each in methods.values():
            assert each["description"]
            assert "429" in each["responses"]
            assert each["responses"]["200"]["content"]["application/json"]["schema"]
            ids.add(each["operationId"])
    assert len(ids) == 42
    lists = told["paths"]["/workerpoolorders"]["get"]["parameters"]
    assert {"chainId", "category", "minTrust", "isAppStrict", "pageSize"} <= {
        each["name"] for each in lists
    }
    assert "Signed" in json.dumps(told["components"]["schemas"])
    page = await market.http.get("/docs")
    assert "requestorders" in page.text


async def test_answers_fit_their_description(market):
    from poolhand.domain.market_events import OrderSort
    from poolhand.wire import market_api

    told = await market.published(app_order())
    market_api.RECORDS[OrderSort.APP].model_validate(told)
    listed = (await market.get("/apporders", app="any")).json()
    market_api.LIST_ANSWERS[OrderSort.APP].model_validate(listed)
    market_api.CategoryList.model_validate((await market.get("/categories")).json())
    market_api.MarketMetrics.model_validate((await market.get("/metrics")).json())


def test_the_command_tells_what_is_missing_and_what_is_in_force(capsys, monkeypatch):
    for name in ("POOLHAND_CHAIN", "POOLHAND_RPC", "POOLHAND_HUB"):
        monkeypatch.delenv(name, raising=False)
    assert run(["market", "serve", "--json"]) == 2
    told = capsys.readouterr()
    assert "no chain to work on" in told.out + told.err
    assert run(["market", "serve", "--show-config", "--json", "--max-open-orders", "7"]) == 0
    assert json.loads(capsys.readouterr().out)["max-open-orders"]["value"] == "7"
