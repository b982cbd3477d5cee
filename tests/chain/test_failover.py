"""Several endpoints, some of them bad."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from following import market_on
from proxies import http_proxy

from poolhand.chain import connect
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.onchain import ChainTaskStatus, Initialize

pytestmark = pytest.mark.chain

FAULTS = {
    "too many requests": lambda: web.Response(status=429, headers={"Retry-After": "5"}),
    "server error": lambda: web.Response(status=502, text="bad gateway"),
    "no JSON": lambda: web.Response(text="<html>hello</html>"),
    "other JSON": lambda: web.json_response(["surprise"]),
    "an empty object": lambda: web.json_response({}),
    "rate limit in JSON": lambda: web.json_response(
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "rate limit exceeded"}}
    ),
    "a result of the wrong form": lambda: web.json_response(
        {"jsonrpc": "2.0", "id": 1, "result": {"number": "yes"}}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_next_endpoint_answers_when_the_first_fails(anvil, fault):
    async with (
        http_proxy(anvil.url) as proxy,
        connect(anvil.settings(proxy.url, anvil.url)) as chain,
    ):
        assert await chain.hub.kitty() == 0
        proxy.fault = FAULTS[fault]
        assert await chain.hub.kitty() == 0
        assert (await chain.hub.head()).number >= 1
        assert len(await chain.hub.categories()) == 5


@pytest.mark.parametrize("fault", ["too many requests", "rate limit in JSON"])
async def test_the_only_endpoint_is_asked_again_when_it_is_merely_busy(anvil, fault):
    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        refusals = 2

        def busy() -> web.Response:
            nonlocal refusals
            refusals -= 1
            if not refusals:
                proxy.fault = None
            answer = FAULTS[fault]()
            answer.headers.pop("Retry-After", None)
            return answer

        proxy.fault = busy
        assert await chain.hub.kitty() == 0
        assert refusals <= 0


async def test_an_endpoint_that_stays_busy_is_not_waited_for_long(anvil):
    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        proxy.fault = FAULTS["rate limit in JSON"]
        with pytest.raises(ChainUnreachable, match="rate limit exceeded"):
            async with asyncio.timeout(60):
                await chain.hub.kitty()


async def test_a_failed_endpoint_rests_and_is_asked_again(anvil):
    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        proxy.fault = FAULTS["server error"]
        with pytest.raises(ChainUnreachable) as caught:
            await chain.hub.kitty()
        assert "HTTP 502" in str(caught.value)
        proxy.fault = None
        assert await chain.hub.kitty() == 0


async def test_a_batch_refused_whole_is_sent_in_parts(anvil):
    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        proxy.largest_batch = 2
        found = await chain.hub.categories()
        assert [category.time_ref for category in found.values()] == [300, 1200, 3600, 10800, 36000]


async def test_the_freshest_endpoint_is_asked(anvil):
    async with (
        http_proxy(anvil.url) as late,
        connect(anvil.settings(late.url, anvil.ws_url)) as chain,
    ):
        heads = chain.watcher.heads()
        late.frozen_at = (await anext(heads)).number
        for _ in range(3):
            await anvil.rpc("evm_mine")
            async with asyncio.timeout(60):
                newest = await anext(heads)
                while (await chain.hub.head()) != newest:
                    """On a starved machine the one that keeps up may rest for a moment."""
        assert newest.number > late.frozen_at


async def test_tasks_are_read_at_one_block_in_few_round_trips(anvil):
    async with (
        connect(anvil.settings()) as direct,
        http_proxy(anvil.url) as proxy,
        connect(anvil.settings(proxy.url, poll_seconds=3600)) as chain,
    ):
        market = await market_on(anvil, direct)
        market.price = 1
        market.app_price = 1
        deal = await market.deal(tasks=100)
        asked = {
            name: [wallet.address for wallet in market.world.workers[:1]]
            for _, name in deal.tasks()
        }
        before = proxy.requests
        views = await chain.hub.tasks(asked)
        assert proxy.requests - before <= 3
        assert len(views) == 100
        assert {view.block for view in views.values()} == {(await chain.hub.head()).number}


async def test_a_dead_socket_is_opened_again_for_the_next_question(anvil):
    from proxies import tcp_line

    async with tcp_line(anvil.anvil.port) as line, connect(anvil.settings(line.url)) as chain:
        assert await chain.hub.kitty() == 0
        line.cut()
        async with asyncio.timeout(60):
            for _ in range(50):
                try:
                    assert await chain.hub.kitty() == 0
                    break
                except ChainUnreachable:
                    continue
        assert await chain.hub.kitty() == 0


async def test_a_snapshot_is_of_the_block_that_it_names(anvil):
    """The chain moves on between the request for the head and that for the tasks."""
    async with (
        connect(anvil.settings()) as direct,
        http_proxy(anvil.url) as proxy,
        connect(anvil.settings(proxy.url, poll_seconds=3600)) as chain,
    ):
        market = await market_on(anvil, direct)
        deal = await market.deal()
        ((index, name),) = deal.tasks()
        head = await chain.hub.head()

        async def initialize() -> None:
            await market.world.send(market.world.owner, Initialize(((deal.deal_id, index),)))

        proxy.meanwhile = initialize
        view = (await chain.hub.tasks({name: ()}))[name]
        assert (view.status, view.block) == (ChainTaskStatus.UNSET, head.number)
        assert view.block_time == head.timestamp
        view = (await chain.hub.tasks({name: ()}))[name]
        assert (view.status, view.block) == (ChainTaskStatus.ACTIVE, head.number + 1)
