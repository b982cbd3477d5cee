"""Refusals as providers tell them: with any status, for lack of a method, for too many requests."""

from __future__ import annotations

import re
import time
from email.utils import formatdate

import pytest
import structlog
from aiohttp import web
from provider_world import CHAIN_ID, WALLET, one

from memory_node import Hurry, MemoryLink, MemoryNode, RpcError, linked, provider
from memory_node.served import error
from poolhand.chain import connect
from poolhand.chain.endpoint import Endpoint
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.domain.errors import ChainUnreachable
from poolhand.store.memory import MemoryJournal

# ----------------------------------------------------------------------- B2: errors with any status


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


# ----------------------------------------------------------------------------- B4: optional methods


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


# ---------------------------------------------------------------------------- B5: too many requests


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
