"""Providers with odd manners: whatever comes back is understood, or told by name."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from provider_world import CHAIN_ID

from memory_node import MemoryLink, MemoryNode, linked, provider
from poolhand.chain import connect
from poolhand.chain.endpoint import Endpoint
from poolhand.chain.http_link import HttpLink
from poolhand.chain.refusal import EndpointDown
from poolhand.domain.errors import ChainUnreachable

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
        async with asyncio.timeout(60):
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
