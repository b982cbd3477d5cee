"""Batches as providers bear them: what is refused is sent in smaller ones."""

from __future__ import annotations

import pytest
from aiohttp import web
from provider_world import BALANCE, CHAIN_ID, OWN_WORDS

from memory_node import Hurry, MemoryNode, provider
from poolhand.chain.batches import FULL_BATCHES_TO_GROW
from poolhand.chain.endpoint import Endpoint
from poolhand.chain.http_link import HttpLink
from poolhand.chain.link import REQUESTS_PER_BATCH
from poolhand.chain.refusal import EndpointDown
from poolhand.chain.socket_link import SocketLink

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
    for _ in range(FULL_BATCHES_TO_GROW):
        await endpoint.exchange([CHAIN_ID] * 30)
    assert link.batches.size == 60
    served.judge = lambda asked: web.Response(status=400) if len(asked) > 30 else None
    await endpoint.exchange([CHAIN_ID] * 60)
    for _ in range(2 * FULL_BATCHES_TO_GROW):
        await endpoint.exchange([CHAIN_ID] * 30)
    assert link.batches.size == 30


async def test_an_endpoint_that_is_down_is_not_taken_for_one_without_batches(http):
    served, link = http
    served.judge = lambda asked: web.Response(status=500)
    with pytest.raises(EndpointDown):
        await Endpoint(link).exchange([CHAIN_ID] * 20)
    assert link.batches.size == REQUESTS_PER_BATCH


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
        assert (
            len(await Endpoint(link).exchange([CHAIN_ID] * 3 * REQUESTS_PER_BATCH))
            == 3 * REQUESTS_PER_BATCH
        )
        assert pace.waits
        await link.close()
