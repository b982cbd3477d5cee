"""Endpoints as providers run them: every limit is told in another way, and each is understood.

A node in memory stands behind a gateway on loopback, over HTTP and WebSocket.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from email.utils import formatdate

import pytest
import structlog
from aiohttp import web

from memory_node import Hurry, MemoryLink, MemoryNode, RpcError, linked, provider
from memory_node.served import error
from poolhand.chain import abi, connect
from poolhand.chain.batches import GROWS_AFTER
from poolhand.chain.endpoint import Endpoint
from poolhand.chain.http_link import HttpLink
from poolhand.chain.link import BATCH, Query
from poolhand.chain.logs import LogFilter, scan
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.chain.socket_link import SocketLink
from poolhand.domain.errors import ChainUnreachable
from poolhand.keys.wallet import Wallet
from poolhand.store.memory import MemoryJournal

CHAIN_ID = Query("eth_chainId", (), abi.quantity)
BALANCE = Query("eth_getBalance", ("0x" + "11" * 20, "latest"), abi.quantity)
WALLET = Wallet.from_key(bytes([9] * 32))
OWN_WORDS = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "invalid request"}}


@pytest.fixture(params=["http", "ws"])
async def way(request):
    """A provider and a link to it."""
    async with provider() as served:
        link = HttpLink(served.url) if request.param == "http" else SocketLink(served.ws_url)
        yield served, link
        await link.close()


@pytest.fixture
async def http():
    async with provider() as served:
        link = HttpLink(served.url)
        yield served, link
        await link.close()


def one(answers):
    (answer,) = answers
    return answer


# ----------------------------------------------------------------- B1: logs


def narrow(most: int, refuse):
    """Judge as a provider that tells logs of so many blocks at most."""

    def judge(asked):
        for each in asked:
            where = each["params"][0] if each["method"] == "eth_getLogs" else {}
            if "fromBlock" in where:
                width = int(where["toBlock"], 16) - int(where["fromBlock"], 16) + 1
                if width > most:
                    return refuse(None if len(asked) > 1 else each["id"])
        return None

    return judge


LIMITS = {
    "413 with JSON-RPC": lambda number: error(number, -32005, "range is too large", 413),
    "413 with words": lambda number: web.Response(status=413, text="Payload Too Large"),
    "413 with nothing": lambda number: web.Response(status=413),
    "429 with the limit": lambda number: error(number, -32005, "query returned more than 1", 429),
    "400": lambda number: error(number, -32600, "block range is too wide", 400),
    "500": lambda number: error(number, -32000, "Exceeded maximum block range: 7", 500),
    "200": lambda number: error(number, -32005, "limit exceeded"),
    "504 of the gateway": lambda number: web.Response(status=504, text="<html>Timeout</html>"),
    "a time-out of the node": lambda number: error(number, -32000, "query timeout exceeded", 503),
}


@pytest.mark.case("B1")
@pytest.mark.parametrize("limit", LIMITS)
async def test_logs_are_read_in_ranges_that_the_endpoint_bears(http, limit):
    served, _ = http
    served.node.mine(blocks=30)
    served.judge = narrow(7, LIMITS[limit])
    rpc = Rpc([served.url])
    wanted = LogFilter.every_kind(served.node.chain.facts.hub)
    ends = [end async for end, _ in scan(rpc, wanted, 0, 30)]
    assert ends[-1] == 30
    (endpoint,) = rpc.endpoints
    assert endpoint.span.width <= 7
    asked = len(served.methods)
    assert [end async for end, _ in scan(rpc, wanted, 0, 2)] == [2], "remembered"
    assert len(served.methods) - asked <= 2
    await rpc.close()


@pytest.mark.case("B1")
async def test_an_endpoint_that_tells_no_logs_at_all_is_told_of(http):
    served, _ = http
    served.judge = narrow(0, LIMITS["413 with JSON-RPC"])
    rpc = Rpc([served.url])
    wanted = LogFilter.every_kind(served.node.chain.facts.hub)
    with pytest.raises(ChainUnreachable, match="tells no logs of block 0"):
        await anext(aiter(scan(rpc, wanted, 0, 0)))
    await rpc.close()


@pytest.mark.case("B1")
async def test_a_limit_of_one_endpoint_is_not_that_of_another():
    """The narrow one is asked first, fails altogether, and the wide one has the whole range."""
    node = MemoryNode()
    node.mine(blocks=50)
    async with provider(node) as bad, provider(node) as good:
        bad.judge = narrow(0, LIMITS["400"])
        rpc = Rpc([bad.url, good.url])
        wanted = LogFilter.every_kind(node.chain.facts.hub)
        assert [end async for end, _ in scan(rpc, wanted, 0, 50)] == [50]
        assert [each.span.width for each in rpc.endpoints] == [1, 1000]
        await rpc.close()


@pytest.mark.case("B1")
async def test_ranges_grow_again_slowly():
    node = MemoryNode()
    node.mine(blocks=400)
    widest = 2

    def refuse(method, params):
        if method == "eth_getLogs":
            where = params[0]
            if int(where["toBlock"], 16) - int(where["fromBlock"], 16) >= widest:
                raise RpcError(-32005, "query returned more than 10000 results")

    node.refuse = refuse
    rpc = Rpc(["memory://"], link=lambda _url: MemoryLink(node))
    wanted = LogFilter.every_kind(node.chain.facts.hub)
    ends = [end async for end, _ in scan(rpc, wanted, 0, 99)]
    assert ends[-1] == 99
    before, widest = node.asked.count("eth_getLogs"), 10**6
    ends = [end async for end, _ in scan(rpc, wanted, 0, 400)]
    assert rpc.endpoints[0].span.width > 2
    assert len(ends) < 200, "wider than before"
    assert node.asked.count("eth_getLogs") - before == len(ends), "nothing was refused"


# ------------------------------------------------------- B2: errors with any status


@pytest.mark.case("B2")
@pytest.mark.parametrize("status", [200, 400, 404, 413, 429, 500, 503])
@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("already known", "known"),
        ("insufficient funds for gas * price + value", "no_funds"),
        ("nonce too low", "nonce_used"),
        ("replacement transaction underpriced", "price_too_low"),
        ("execution reverted", "reverted"),
    ],
)
async def test_what_a_node_says_is_understood_with_any_status(http, status, text, meaning):
    served, link = http
    served.judge = lambda asked: error(asked[0]["id"], -32000, text, status)
    found = one(await Endpoint(link).exchange([CHAIN_ID]))
    assert isinstance(found, NodeRefusal)
    assert getattr(found, meaning)


@pytest.mark.case("B2")
@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503])
async def test_words_that_nobody_knows_are_the_endpoints_own_where_the_status_says_so(http, status):
    """Else a transaction would count as refused by all that a gateway's fault."""
    served, link = http
    served.judge = lambda asked: error(asked[0]["id"], -32000, "computer says no", status)
    with pytest.raises(EndpointDown, match="computer says no") as caught:
        await Endpoint(link).exchange([CHAIN_ID])
    assert caught.value.reached
    assert caught.value.busy == (status in (429, 503))


# ----------------------------------------------------------------------- B3: batches


REFUSALS = {
    "500 with words": lambda: web.Response(status=500, text="Internal Server Error"),
    "500 with JSON": lambda: web.json_response(
        {"message": "Batch of more than 3 requests are not allowed", "code": 31}, status=500
    ),
    "400": lambda: web.json_response(OWN_WORDS, status=400),
    "200": lambda: web.json_response(OWN_WORDS),
    "413": lambda: web.Response(status=413),
    "429 that names the batch": lambda: web.json_response(
        {"jsonrpc": "2.0", "id": None, "error": {"code": 429, "message": "batch limit is 3"}},
        status=429,
    ),
    "a page": lambda: web.Response(text="<html><body>no batches</body></html>"),
}


@pytest.mark.case("B3")
@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refused_batch_is_sent_in_smaller_ones_that_are_remembered(http, most, refusal):
    served, link = http
    served.judge = lambda asked: REFUSALS[refusal]() if len(asked) > most else None
    found = await Endpoint(link).exchange([CHAIN_ID] * 20)
    assert found == [31337] * 20
    served.batches.clear()
    found = await Endpoint(link).exchange([CHAIN_ID] * 20)
    assert found == [31337] * 20
    assert max(served.batches) <= most, "remembered: none is refused again"


@pytest.mark.case("B3")
@pytest.mark.parametrize("form", ["one error without a name", "one error for the first alone"])
async def test_a_batch_refused_over_a_websocket_is_sent_in_smaller_ones(form):
    async with provider() as served:
        link = SocketLink(served.ws_url)

        def judge(asked):
            if len(asked) <= 3:
                return None
            number = None if form.endswith("name") else asked[0]["id"]
            refused = {**OWN_WORDS, "id": number}
            return web.json_response(refused if number is None else [refused])

        served.judge = judge
        for _ in range(2):
            found = await Endpoint(link).exchange([CHAIN_ID] * 20)
            assert found == [31337] * 20
        assert sum(size > 3 for size in served.batches) <= 3
        await link.close()


@pytest.mark.case("B3")
async def test_a_batch_answered_only_in_part_is_sent_in_smaller_ones(http):
    served, link = http
    served.reword = lambda asked, told: web.json_response(told[:1]) if len(asked) > 1 else None
    assert await Endpoint(link).exchange([CHAIN_ID] * 5) == [31337] * 5


async def test_answers_find_their_requests_whatever_their_order(way):
    served, link = way
    served.reword = lambda asked, told: (
        web.json_response(told[::-1]) if len(asked) > 1 else web.json_response(told[0])
    )
    asked = [CHAIN_ID, BALANCE, CHAIN_ID]
    assert await Endpoint(link).exchange(asked) == [31337, 0, 31337]


@pytest.mark.case("B3")
async def test_a_socket_that_is_closed_at_a_large_batch_gets_smaller_ones():
    """Some servers close the connection at what they do not take (1009, 1003)."""
    async with provider() as served:
        link = SocketLink(served.ws_url)
        endpoint = Endpoint(link)

        def judge(asked):
            if len(asked) > 5:
                raise ConnectionResetError
            return

        served.judge = judge
        tries = 0
        while True:
            tries += 1
            try:
                found = await endpoint.exchange([CHAIN_ID] * 40)
                break
            except EndpointDown:
                assert tries < 8
        assert found == [31337] * 40
        await link.close()


async def test_batches_grow_again_after_a_cut_but_not_over_a_limit(http):
    served, link = http
    endpoint = Endpoint(link)
    served.judge = lambda asked: web.Response(status=502) if len(asked) > 30 else None
    with pytest.raises(EndpointDown):
        await endpoint.exchange([CHAIN_ID] * 60)
    assert link.batches.size == 30
    for _ in range(GROWS_AFTER):
        await endpoint.exchange([CHAIN_ID] * 30)
    assert link.batches.size == 60
    served.judge = lambda asked: web.Response(status=400) if len(asked) > 30 else None
    await endpoint.exchange([CHAIN_ID] * 60)
    for _ in range(2 * GROWS_AFTER):
        await endpoint.exchange([CHAIN_ID] * 30)
    assert link.batches.size == 30


async def test_an_endpoint_that_is_down_is_not_taken_for_one_without_batches(http):
    served, link = http
    served.judge = lambda asked: web.Response(status=500)
    with pytest.raises(EndpointDown):
        await Endpoint(link).exchange([CHAIN_ID] * 20)
    assert link.batches.size == BATCH


async def test_too_many_batches_at_a_time_become_fewer():
    """What counts requests per second lets the first through and refuses the rest."""
    pace, node = Hurry(), MemoryNode()
    async with provider(node) as served:
        link = HttpLink(served.url)
        link.batches.__init__("node", pace)
        left = 2

        def judge(_asked):
            nonlocal left
            left -= 1
            if left < 0:
                left = 4
                return web.Response(status=429)
            return None

        served.judge = judge
        assert len(await Endpoint(link).exchange([CHAIN_ID] * 3 * BATCH)) == 3 * BATCH
        assert pace.waits
        await link.close()


# ---------------------------------------------------------------- B4: optional methods


@pytest.mark.case("B4")
@pytest.mark.parametrize(
    "lacking",
    [
        {"eth_maxPriorityFeePerGas"},
        {"eth_maxPriorityFeePerGas", "eth_feeHistory"},
    ],
)
async def test_the_price_is_asked_in_another_way_where_a_method_is_missing(lacking):
    node = MemoryNode()
    node.lacks, node.tip = lacking, 3 * 10**9
    async with linked(MemoryLink(node)) as chain:
        sender = chain.sender(WALLET, MemoryJournal())
        assert (await sender.means()).price == (node.base_fee + node.tip) * 13 // 10
        asked = [method for method in node.asked if method in lacking]
        assert sorted(asked) == sorted(lacking), "each was missed once"
        await sender.means()
        assert [method for method in node.asked if method in lacking] == asked, "and remembered"


async def test_a_busy_endpoint_is_not_taken_for_one_that_lacks_a_method():
    node, pace = MemoryNode(), Hurry()
    refusals = 1

    def refuse(method, _params):
        nonlocal refusals
        if method == "eth_maxPriorityFeePerGas" and refusals:
            refusals -= 1
            raise RpcError(-32005, "rate limit exceeded")

    node.refuse = refuse
    async with linked(MemoryLink(node), pace=pace) as chain:
        await chain.sender(WALLET, MemoryJournal()).means()
    assert "eth_feeHistory" not in node.asked
    assert pace.waits


# --------------------------------------------------------------- B5: too many requests


@pytest.mark.case("B5")
@pytest.mark.parametrize("kind", ["http", "ws"])
@pytest.mark.parametrize("told", ["20", "a date"])
async def test_the_very_first_request_waits_as_long_as_it_is_asked_to(kind, told):
    structlog.reset_defaults()
    pace = Hurry()
    async with provider() as served:
        refusals = 1

        def busy(_asked=None):
            nonlocal refusals
            if refusals:
                refusals -= 1
                value = told if told == "20" else formatdate(time.time() + 20, usegmt=True)
                return web.Response(status=429, headers={"Retry-After": value})
            return None

        served.judge = served.handshake = busy
        url = served.url if kind == "http" else served.ws_url
        with structlog.testing.capture_logs() as lines:
            async with connect(served.settings(url), pace=pace) as chain:
                assert await chain.hub.kitty() == 0
    waited = max(pace.waits)
    assert waited == 20 if told == "20" else 10 < waited <= 20, (
        "a date is near and has no fractions"
    )
    told_busy = [line for line in lines if line["event"] == "endpoint_busy"]
    assert told_busy
    assert re.fullmatch(r"too many requests, waiting (1\d|20) s", told_busy[0]["cause"])


@pytest.mark.case("B5")
async def test_who_asks_for_too_long_a_wait_is_not_waited_for():
    pace = Hurry()
    async with provider() as served:
        served.judge = lambda _asked: web.Response(status=429, headers={"Retry-After": "900"})
        with pytest.raises(ChainUnreachable, match="too many requests"):
            async with connect(served.settings(), pace=pace):
                pass
    assert sum(pace.waits) <= 30


@pytest.mark.case("B5")
async def test_an_endpoint_that_wants_to_be_left_alone_is():
    pace, node = Hurry(), MemoryNode()
    async with provider(node) as served:
        rpc = Rpc([served.url], pace=pace)
        assert await rpc.ask(CHAIN_ID) == 31337
        served.judge = lambda _asked: web.Response(status=503, headers={"Retry-After": "60"})
        with pytest.raises(ChainUnreachable):
            await rpc.ask(CHAIN_ID)
        asked = len(served.batches)
        with pytest.raises(ChainUnreachable, match="wants none for another"):
            await rpc.ask(CHAIN_ID)
        assert len(served.batches) == asked, "not asked at all"
        pace.now += 61
        served.judge = lambda _asked: None
        assert await rpc.ask(CHAIN_ID) == 31337
        await rpc.close()


# -------------------------------------------------------------------- odd manners


ODD = {
    "an HTML page with 200": (lambda a: web.Response(text="<html>hi</html>"), "no JSON-RPC: hi"),
    "an empty 200": (lambda a: web.Response(), "answers nothing"),
    "a wrong key": (lambda a: web.json_response({"message": "bad key"}, status=401), "wants a key"),
    "forbidden": (lambda a: web.Response(status=403, text="no"), "does not let us in"),
    "a wrong path": (lambda a: web.Response(status=404), "nothing at this path"),
    "an error in words": (lambda a: web.json_response({"error": "boom"}, status=500), "boom"),
    "no result": (lambda a: web.json_response({"jsonrpc": "2.0", "id": a[0]["id"]}), "no JSON-RPC"),
    "a null result": (
        lambda a: web.json_response({"id": a[0]["id"], "result": None}),
        "nonsense",
    ),
    "deep JSON": (lambda a: web.Response(text="[" * 100_000), "no JSON-RPC"),
    "a redirect for ever": (
        lambda a: web.Response(status=307, headers={"Location": "/"}),
        "redirects more than",
    ),
    "a redirect elsewhere": (
        lambda a: web.Response(status=302, headers={"Location": "ftp://x/"}),
        "no http address",
    ),
}


@pytest.mark.parametrize("oddity", ODD)
async def test_what_is_no_answer_is_told_by_name(http, oddity):
    served, link = http
    judge, words = ODD[oddity]
    served.judge = judge
    with pytest.raises(EndpointDown, match=words) as caught:
        await Endpoint(link).exchange([CHAIN_ID])
    str(caught.value).encode()
    assert "<" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        '\ufeff{"jsonrpc":"2.0","id":1,"result":"0x7a69"}'.encode(),
        '{"jsonrpc":"2.0","id":1,"result":"0x7a69"}'.encode("utf-16"),
        b'[{"jsonrpc":"2.0","id":"1","result":"0x7a69"}]',
        b'{"jsonrpc":"2.0","id":1,"result":31337}',
        b'{"jsonrpc":"2.0","id":1,"result":"7a69","error":null}',
    ],
)
async def test_nearly_json_rpc_is_read(http, body):
    served, link = http
    served.judge = lambda _asked: web.Response(body=body)
    assert await Endpoint(link).exchange([CHAIN_ID]) == [31337]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_compressed_answers_are_read(http, coding):
    served, link = http

    def reword(_asked, told):
        answer = web.json_response(told[0])
        answer.enable_compression(web.ContentCoding(coding))
        return answer

    served.reword = reword
    assert await Endpoint(link).exchange([CHAIN_ID]) == [31337]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_followed_with_the_same_request(status):
    async with provider() as near, provider() as far:
        near.judge = lambda _asked: web.Response(status=status, headers={"Location": far.url})
        link = HttpLink(near.url)
        assert await Endpoint(link).exchange([CHAIN_ID]) == [31337]
        assert far.methods == [["eth_chainId"]]
        await link.close()


async def test_a_redirect_from_tls_to_plain_http_is_refused(http):
    served, _ = http
    link = HttpLink("https://node.test/key")
    with pytest.raises(EndpointDown, match="without TLS") as caught:
        link._redirected("https://node.test/key", served.url + "/secret")
    assert "secret" not in str(caught.value)


async def test_an_endpoint_that_refuses_a_subscription_is_polled(http):
    served, _ = http
    async with connect(served.settings(served.ws_url, poll_seconds=0.01)) as chain:
        heads = chain.watcher.heads()
        first = await anext(heads)
        served.node.mine()
        async with asyncio.timeout(10):
            assert (await anext(heads)).number > first.number


async def test_blocks_are_named_by_number_where_their_hash_is_not_taken():
    """EIP-1898 and EIP-234 are optional: the number is asked, and whether it is still that block."""
    node = MemoryNode()
    node.lacks = {"blockHash"}
    async with linked(MemoryLink(node)) as chain:
        heads = chain.watcher.heads()
        head = await anext(heads)
        owner = node.chain.facts.hub
        assert (await chain.hub.accounts([owner], head))[owner].stake == 0
        node.mine()
        assert (await anext(heads)).number == head.number + 1
        node.reorg()
        stale = head.__class__(head.number, node.blocks[-1].head.block_hash, *fields(head)[2:])
        with pytest.raises(ChainUnreachable, match="another block"):
            await chain.hub.accounts([owner], stale)


def fields(head):
    return [getattr(head, name) for name in head.__slots__]


@pytest.mark.parametrize("body", ["", "[]", "{}", "null", "7", '"x"', "[null]", '[{"id":1}]'])
async def test_nothing_that_comes_back_ends_the_program(http, body):
    served, link = http
    served.judge = lambda _asked: web.Response(text=body)
    for many in (1, 3):
        with pytest.raises(EndpointDown):
            await Endpoint(link).exchange([CHAIN_ID] * many)
    assert json.dumps(body)
