"""One bound for all that is asked of an endpoint, and lanes of their own for transactions."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from poolhand.chain import abi
from poolhand.chain.batches import Batches
from poolhand.chain.http_link import HttpLink
from poolhand.chain.lanes import READING_LANES, SENDING_LANES, Lane
from poolhand.chain.link import REQUESTS_PER_BATCH, Query
from poolhand.chain.logs import header
from poolhand.chain.refusal import EndpointDown
from poolhand.chain.socket_link import SocketLink

READ = Query("eth_call", ({}, "latest"), abi.quantity)
SEND = Query("eth_sendRawTransaction", ("0x",), lambda raw: raw)
OF_TRANSACTIONS = (
    SEND,
    Query("eth_getTransactionCount", (), abi.quantity),
    Query("eth_getTransactionReceipt", (), abi.quantity),
    Query("eth_estimateGas", (), abi.quantity),
    header("latest"),
)


class Held:
    """An endpoint that answers when the test lets it.

    Attributes:
        under_way: Messages that are not answered, by the method of their first request.
    """

    def __init__(self):
        self.gate, self.under_way, self.most = asyncio.Event(), [], 0

    async def answer(self, text):
        asked = json.loads(text)
        each = asked if isinstance(asked, list) else [asked]
        method = each[0]["method"]
        self.under_way.append(method)
        self.most = max(self.most, len(self.under_way))
        await self.gate.wait()
        self.under_way.remove(method)
        told = [{"jsonrpc": "2.0", "id": one["id"], "result": "0x1"} for one in each]
        return json.dumps(told if isinstance(asked, list) else told[0])

    async def post(self, request):
        return web.Response(text=await self.answer(await request.text()))

    async def socket(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)

        async def reply(text):
            await socket.send_str(await self.answer(text))

        async with asyncio.TaskGroup() as replies:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    replies.create_task(reply(message.data))
        return socket


@asynccontextmanager
async def endpoint(way):
    """Serve one, and yield it with a link to it."""
    held, app = Held(), web.Application(client_max_size=10**8)
    app.router.add_post("/", held.post)
    app.router.add_get("/ws", held.socket)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    made = {"http": lambda: HttpLink(f"http://127.0.0.1:{port}"),
            "ws": lambda: SocketLink(f"ws://127.0.0.1:{port}/ws")}[way]()  # fmt: skip
    try:
        yield held, made
    finally:
        held.gate.set()
        await made.close()
        await runner.cleanup()


async def until(is_true):
    async with asyncio.timeout(10):
        while not is_true():  # noqa: ASYNC110 - of many things, each told by nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("way", ["http", "ws"])
async def test_all_readers_together_have_so_many_under_way_and_transactions_go_beside_them(way):
    async with endpoint(way) as (held, link), asyncio.TaskGroup() as asking:
        for _ in range(3 * READING_LANES):
            asking.create_task(link.exchange([READ]))
        for _ in range(3):
            asking.create_task(link.exchange([READ] * 30 * REQUESTS_PER_BATCH))
        await until(lambda: len(held.under_way) == READING_LANES)
        sends = [asking.create_task(link.exchange([each])) for each in OF_TRANSACTIONS]
        await until(lambda: len(held.under_way) == READING_LANES + len(sends))
        assert held.under_way.count("eth_call") == READING_LANES
        held.gate.set()
        await asyncio.gather(*sends)
        held.most = 0
    assert 0 < held.most <= READING_LANES


@pytest.mark.parametrize("way", ["http", "ws"])
async def test_transactions_are_bounded_too(way):
    async with endpoint(way) as (held, link), asyncio.TaskGroup() as asking:
        for _ in range(2 * SENDING_LANES):
            asking.create_task(link.exchange([SEND]))
        await until(lambda: len(held.under_way) == SENDING_LANES)
        held.gate.set()
    assert held.most == SENDING_LANES


class Script:
    """Answers one batch after the other, as the test says."""

    def __init__(self):
        self.asked, self.batches = [], Batches("node")

    async def post(self, queries):
        answer = asyncio.get_running_loop().create_future()
        self.asked.append(answer)
        return await answer

    async def ask(self, query=READ):
        return await self.batches.send([query], self.post)


SILENT = {
    "out of time": EndpointDown("node", "is late", slow=True),
    "out of reach": EndpointDown("node", "is gone", reached=False),
}


@pytest.mark.parametrize("fault", SILENT.values(), ids=SILENT)
async def test_who_waits_in_the_line_is_told_at_once_that_the_endpoint_does_not_answer(fault):
    script = Script()
    asking = [asyncio.create_task(script.ask()) for _ in range(3 * READING_LANES)]
    await until(lambda: len(script.asked) == READING_LANES)
    sending = asyncio.create_task(script.ask(SEND))
    await until(lambda: len(script.asked) == READING_LANES + 1)
    script.asked[0].set_exception(fault)
    told = await asyncio.gather(asking[0], *asking[READING_LANES:], return_exceptions=True)
    assert all(isinstance(each, EndpointDown) and each.why == fault.why for each in told)
    assert not any(each.reached for each in told[1:]), "nothing of theirs was sent"
    assert len(script.asked) == READING_LANES + 1
    for answer in script.asked[1:]:
        answer.set_result(["told"])
    assert await asyncio.gather(*asking[1:READING_LANES], sending) == [["told"]] * READING_LANES


async def test_an_endpoint_that_broke_off_once_is_asked_on():
    script = Script()
    asking = [asyncio.create_task(script.ask()) for _ in range(READING_LANES + 1)]
    await until(lambda: len(script.asked) == READING_LANES)
    script.asked[0].set_exception(EndpointDown("node", "broke off"))
    await until(lambda: len(script.asked) == READING_LANES + 1)
    for answer in script.asked[1:]:
        answer.set_result(["told"])
    with pytest.raises(EndpointDown):
        await asking[0]
    assert await asyncio.gather(*asking[1:]) == [["told"]] * READING_LANES


async def test_who_gives_up_takes_no_place():
    """Before it was let in, at the very moment, and after."""
    lane, gate, under_way = Lane(1), asyncio.Event(), []

    async def work(name):
        under_way.append(name)
        await gate.wait()

    async def come(name):
        await lane.run(lambda: work(name))

    first, second, third, last = (asyncio.create_task(come(n)) for n in range(4))
    await until(lambda: under_way == [0])
    third.cancel()
    first.cancel()
    await until(first.done)  # the second is let in by that, and has not gone in yet
    second.cancel()
    await until(lambda: 3 in under_way)
    gate.set()
    await last
    assert under_way == [0, 3]
    await come(4)
