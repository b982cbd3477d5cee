"""Limits of ``eth_getLogs`` as providers tell them: each is understood."""

from __future__ import annotations

import pytest
from aiohttp import web

from memory_node import MemoryLink, MemoryNode, RpcError, provider
from memory_node.served import error
from poolhand.chain.logs import every_event, scan
from poolhand.chain.rpc import Rpc
from poolhand.domain.errors import ChainUnreachable


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
    wanted = every_event(served.node.chain.facts.hub)
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
    wanted = every_event(served.node.chain.facts.hub)
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
        wanted = every_event(node.chain.facts.hub)
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
    wanted = every_event(node.chain.facts.hub)
    ends = [end async for end, _ in scan(rpc, wanted, 0, 99)]
    assert ends[-1] == 99
    before, widest = node.asked.count("eth_getLogs"), 10**6
    ends = [end async for end, _ in scan(rpc, wanted, 0, 400)]
    assert rpc.endpoints[0].span.width > 2
    assert len(ends) < 200, "wider than before"
    assert node.asked.count("eth_getLogs") - before == len(ends), "nothing was refused"
