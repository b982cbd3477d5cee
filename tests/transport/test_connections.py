"""Peers that hold connections for nothing: they lose them, and keep nobody else out (A4)."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from fastapi import Request
from session_world import until
from starlette.responses import Response

from poolhand.transport.asgi import application, service_router
from poolhand.transport.listen import serve
from poolhand.transport.waiting import ServiceLimits, WaitingRoom

SMALL = WaitingRoom(4, 8)
PATIENT = ServiceLimits(SMALL, SMALL, SMALL, requests=16, head=60, idle=60, stall=60)
HASTY = ServiceLimits(SMALL, SMALL, SMALL, requests=16, head=0.3, idle=0.3, stall=0.3, step=1_000)
ASK = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SEND = b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"


class Leave(asyncio.Event):
    """What requests wait for that are under way, and how many do."""

    waiting = 0

    async def wait(self):
        self.waiting += 1
        return await super().wait()


def routes(leave: Leave):
    router = service_router()

    @router.get("/health")
    async def health() -> bool:
        return True

    @router.get("/busy")
    async def busy() -> bool:
        await leave.wait()
        return True

    @router.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @router.post("/late")
    async def late(request: Request) -> int:
        await leave.wait()
        return len(await request.body())

    @router.get("/large")
    async def large() -> Response:
        return Response(b"x" * 8_000_000)

    return router


@asynccontextmanager
async def serving(limits, leave=None):
    up = asyncio.get_running_loop().create_future()
    app = application("t", [routes(leave or Leave())], max_body=10**6)
    task = asyncio.ensure_future(serve(app, "127.0.0.1", 0, up.set_result, limits=limits))
    try:
        yield await up
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def dialled(port, count=1):
    """Open connections that are cut at the end."""
    ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    try:
        yield ends
    finally:
        for _, writer in ends:
            writer.transport.abort()


async def ended(reader) -> bool:
    """Wait until the service has cut a connection."""
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass
    return True


async def poke(writer) -> None:
    """Write now and then until the connection breaks."""
    while True:
        writer.write(b"\r\n")
        await writer.drain()
        await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.05)


async def health(port) -> float:
    """Ask for the service's health on a new connection; return the seconds that it took."""
    began = asyncio.get_running_loop().time()
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        assert (await http.get(f"http://127.0.0.1:{port}/health")).status_code == 200
    return asyncio.get_running_loop().time() - began


@pytest.mark.case("A4")
@pytest.mark.parametrize("said", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: loc"])
async def test_idle_connections_keep_nobody_out(said):
    async with serving(PATIENT) as port, dialled(port, 40) as ends:
        for _, writer in ends:
            writer.write(said)
        assert await health(port) < 1
        await asyncio.gather(*(ended(reader) for reader, _ in ends[:30]))


@pytest.mark.case("A4")
async def test_slow_bodies_keep_nobody_from_sending_theirs():
    async with serving(PATIENT) as port, dialled(port, 8) as ends:
        for _, writer in ends:
            writer.write(SEND + b"x")
        async with httpx.AsyncClient(trust_env=False) as http:
            answers = [
                await http.post(f"http://127.0.0.1:{port}/length", content=b"y" * 90_000)
                for _ in range(2)
            ]
        assert answers[-1].json() == 90_000
        assert await health(port) < 1


@pytest.mark.case("A4")
@pytest.mark.parametrize("first", [b"", ASK])
async def test_a_request_that_trickles_is_cut_in_its_time_whatever_is_sent(first):
    async with serving(HASTY) as port, dialled(port) as [(reader, writer)]:
        writer.write(first)
        over = asyncio.ensure_future(ended(reader))
        began = asyncio.get_running_loop().time()
        while not over.done():
            writer.write(b"G")
            await asyncio.wait([over], timeout=0.02)
        assert asyncio.get_running_loop().time() - began < 3


@pytest.mark.case("A4")
async def test_a_body_that_trickles_is_cut_and_one_that_flows_is_not():
    async with serving(HASTY) as port, dialled(port, 2) as [(slow, drip), (quick, flow)]:
        drip.write(SEND)
        flow.write(SEND)
        over = asyncio.ensure_future(ended(slow))
        sent = 0
        while not over.done():
            drip.write(b"x")
            flow.write(b"y" * 2_000)
            sent += 2_000
            await asyncio.wait([over], timeout=0.02)
        flow.write(b"y" * (100_000 - sent))
        assert (await quick.readuntil(b"100000")).startswith(b"HTTP/1.1 200")


@pytest.mark.case("A4")
async def test_an_answer_that_nobody_takes_is_given_up():
    async with serving(HASTY) as port, dialled(port) as [(_, writer)]:
        writer.transport.pause_reading()
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(ConnectionError):
            await poke(writer)


async def test_a_service_that_is_slow_itself_does_not_blame_its_client():
    leave = Leave()
    async with serving(HASTY, leave) as port, dialled(port) as [(reader, writer)]:
        writer.write(SEND.replace(b"/length", b"/late") + b"x" * 99_999)
        over = asyncio.ensure_future(ended(reader))
        await asyncio.wait([over], timeout=3 * HASTY.stall)
        assert not over.done()
        leave.set()
        over.cancel()


@pytest.mark.case("A4")
async def test_health_is_answered_from_a_reserve_while_requests_fill_the_service():
    leave = Leave()
    async with serving(PATIENT, leave) as port, dialled(port, 8) as some:
        for _, writer in some:
            writer.write(ASK.replace(b"/health", b"/busy"))
        await until(lambda: leave.waiting == 8)
        async with dialled(port, 8) as others:
            for _, writer in others:
                writer.write(ASK.replace(b"/health", b"/busy"))
            await until(lambda: leave.waiting == 16)
            async with httpx.AsyncClient(trust_env=False) as http:
                refused = await http.get(f"http://127.0.0.1:{port}/large")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert refused.json()["code"] == "too-busy"
            assert await health(port) < 1
            leave.set()
            for reader, _ in (*some, *others):
                assert b"true" in await reader.readuntil(b"true")


@asynccontextmanager
async def crowded(soft, *, bound):
    """Run a service with few descriptors as a program of its own; yield its port and its log."""
    script = Path(__file__).with_name("crowded_service.py")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        str(soft),
        str(int(bound)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    log = bytearray()

    async def listen() -> None:
        while data := await child.stderr.read(65_536):
            log.extend(data)

    hearing = asyncio.ensure_future(listen())
    try:
        yield int(await child.stdout.readline()), log
    finally:
        child.kill()
        await child.wait()
        await hearing


@pytest.mark.case("A4")
@pytest.mark.parametrize("bound", [True, False], ids=["within its limits", "without descriptors"])
async def test_a_service_short_of_descriptors_answers_and_does_not_fill_its_log(bound):
    async with crowded(128, bound=bound) as (port, log), dialled(port, 300) as ends:
        for _, writer in ends[::2]:
            writer.write(b"G")
        for _ in range(5):
            assert await health(port) < 1
    assert len(log) < 4_096
    assert b"Traceback" not in log
    assert log.count(b"connections_refused") == (0 if bound else 1)
