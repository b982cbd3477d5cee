"""A WebSocket endpoint that breaks off at bad moments."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from poolhand.chain.link import Query
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.socket_link import MOST_EARLY_NEWS, SocketLink

ASK = [Query("eth_chainId", (), lambda raw: raw)]


@asynccontextmanager
async def endpoint(answer):
    """Serve with ``answer(socket, request)``; yields the link to it."""

    async def handle(socket) -> None:
        async for message in socket:
            await answer(socket, json.loads(message))

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = SocketLink(f"ws://127.0.0.1:{port}")
        yield link
        await link.close()


def told(subscription, result) -> str:
    params = {"subscription": subscription, "result": result}
    return json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})


def reply(request, result) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


async def test_a_subscription_ends_with_its_connection():
    async def answer(socket, request) -> None:
        await socket.send(reply(request, "0x1"))
        if request["method"] == "eth_getBlockByNumber":
            await socket.close()

    async with endpoint(answer) as link, aclosing(link.heads()) as heads:
        assert await anext(heads) == "0x1"
        with pytest.raises(EndpointDown):
            await asyncio.wait_for(anext(heads), 60)


async def test_news_that_come_before_their_subscription_is_known_are_heard_and_others_forgotten():
    async def answer(socket, request) -> None:
        if request["method"] == "eth_subscribe":
            for number in range(3 * MOST_EARLY_NEWS):
                await socket.send(told(f"0x{number:x}00", "a stranger's"))
            await socket.send(told("0x1", "early"))
        await socket.send(reply(request, "0x1"))

    async with endpoint(answer) as link, aclosing(link.heads()) as heads:
        assert [await anext(heads) for _ in range(2)] == ["0x1", "early"]
        assert list(link._news) == ["0x1"]
        assert not link._early


async def test_closing_during_the_handshake_cancels_nobody_else():
    connected = asyncio.Event()

    async def silent(reader, writer) -> None:
        connected.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        link = SocketLink(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        asking = [asyncio.create_task(link.exchange(ASK)) for _ in range(2)]
        await connected.wait()
        await link.close()
        for task in asking:
            with pytest.raises(EndpointDown) as caught:
                await asyncio.wait_for(task, 60)
            assert not caught.value.reached


async def test_who_waits_for_an_answer_is_told_of_the_break():
    async def answer(socket, request) -> None:
        await socket.close()

    async with endpoint(answer) as link:
        with pytest.raises(EndpointDown) as caught:
            await link.exchange(ASK)
        assert caught.value.reached


async def test_nobody_there_means_that_nothing_was_sent():
    link = SocketLink("ws://127.0.0.1:1")
    with pytest.raises(EndpointDown) as caught:
        await link.exchange(ASK)
    assert not caught.value.reached
    await link.close()


async def test_answers_find_their_questions_in_any_order():
    held: list = []

    async def answer(socket, request) -> None:
        held.append(request)
        if len(held) == 5:
            for each in reversed(held):
                await socket.send(reply(each, each["id"]))

    async with endpoint(answer) as link:
        answers = await asyncio.gather(*(link.exchange(ASK) for _ in range(5)))
        numbers = [answer["result"] for (answer,) in answers]
        assert numbers == [answer["id"] for (answer,) in answers]
        assert len(set(numbers)) == 5


async def test_an_endpoint_without_subscriptions_says_so():
    async def answer(socket, request) -> None:
        error = {"code": -32601, "message": "no eth_subscribe here"}
        await socket.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))

    async with endpoint(answer) as link, aclosing(link.heads()) as heads:
        with pytest.raises(NodeRefusal):
            await anext(heads)


@pytest.mark.parametrize("nonsense", ["hello", "[1]", '{"id":null}', '"x"', '{"id":"abc"}'])
async def test_nonsense_ends_the_connection(nonsense):
    async def answer(socket, request) -> None:
        await socket.send(nonsense)

    async with endpoint(answer) as link:
        with pytest.raises(EndpointDown):
            await link.exchange(ASK)
