"""Frames that make no message count too, and nobody is waited for beyond the login's time (A7)."""

from __future__ import annotations

import asyncio
import base64
import os
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import psutil
import pytest
from session_world import farewell, ground, until
from websockets.exceptions import InvalidStatus

from poolhand.keys.wallet import Wallet
from poolhand.transport.metering import SocketLimits
from poolhand.wire.session import Allowance

PONG, PING, CONTINUATION, TEXT, FIN = 0xA, 0x9, 0x0, 0x1, 0x80
HASTY = SocketLimits(
    linger=0.2, frames=Allowance(10, 500), size=Allowance(0, 10**10), greeting_bytes=10**9
)
"""Bytes do not matter: it is frames that count."""


def frame(opcode: int, data: bytes = b"", fin: int = FIN) -> bytes:
    """Write a client's frame; a mask of zeros leaves the data as it is."""
    assert len(data) < 126
    return bytes([fin | opcode, 0x80 | len(data)]) + bytes(4) + data


@asynccontextmanager
async def opened(g, *, deaf=False):
    """Open the pool's WebSocket by hand; what follows is up to the test."""
    host = urlsplit(g.facts.url)
    port = g.cable.pool if deaf else host.port
    reader, writer = await asyncio.open_connection(host.hostname, port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /worker HTTP/1.1\r\nHost: {host.netloc}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    if deaf:
        writer.transport.pause_reading()
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def flood(writer, piece: bytes) -> int:
    """Send the same again and again until the pool hangs up; return the bytes."""
    sent = 0
    with suppress(ConnectionError):
        while not writer.transport.is_closing():
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
            await asyncio.sleep(0)
    return sent


async def all_said(reader) -> bytes:
    """Return what the pool says until it hangs up."""
    said = b""
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            said += data
    return said


def memory() -> int:
    """Return the bytes of memory that this process holds."""
    return psutil.Process().memory_info().rss


EMPTY = frame(CONTINUATION, b"", 0)
KINDS = [
    pytest.param(b"", frame(PING), id="pings"),
    pytest.param(b"", frame(PING, b"x" * 125), id="large pings"),
    pytest.param(b"", frame(PONG), id="pongs"),
    pytest.param(frame(TEXT, b"x", 0), EMPTY, id="empty continuations"),
    pytest.param(b"", frame(TEXT, b"{}"), id="messages"),
]


@pytest.mark.case("A7")
@pytest.mark.parametrize(("first", "again"), KINDS)
async def test_whoever_floods_before_the_login_is_told_and_cut(first, again):
    async with ground(sockets=HASTY) as g, opened(g) as (reader, writer):
        before = memory()
        writer.write(first)
        sending = asyncio.ensure_future(flood(writer, again * 1_000))
        said = await all_said(reader)
        await sending
        assert b"login-flooded" in said or b"malformed" in said
        assert len(said) < 64 * 1024
        assert memory() - before < 32 * 2**20
        assert g.gate.log == []


@pytest.mark.case("A7")
@pytest.mark.parametrize(("first", "again"), KINDS)
async def test_whoever_floods_after_the_login_loses_its_session_and_is_barred(first, again):
    async with ground(sockets=HASTY) as g, g.raw() as socket:
        before, writer = memory(), socket.transport
        writer.write(first)
        with suppress(ConnectionError):
            while g.hub._sessions:
                writer.write(again * 100)
                await asyncio.sleep(0)
        await until(lambda: g.gate.events() == ["connected", "lost"])
        assert g.hub.conduct.barred_for(Wallet.from_key(bytes([2] * 32)).address)
        assert memory() - before < 64 * 2**20


@pytest.mark.case("A7")
async def test_a_peer_that_reads_nothing_is_cut_whatever_it_sends():
    deaf = SocketLimits(unread=200_000, login=60, greeting_frames=10**6, greeting_bytes=10**9)
    async with ground(sockets=deaf, handshake_timeout=60) as g, opened(g, deaf=True) as (_, writer):
        assert await flood(writer, frame(PING, b"x" * 125) * 100) < 32 * 2**20


@pytest.mark.case("A7")
@pytest.mark.parametrize("said", [b"", frame(PING)], ids=["silence", "pings"])
async def test_the_login_has_its_time_and_no_more_whatever_is_sent(said):
    brief = SocketLimits(login=0.4, linger=0.2, greeting_frames=10**6, greeting_bytes=10**9)
    async with ground(sockets=brief, handshake_timeout=0.3) as g, opened(g) as (reader, writer):
        began = asyncio.get_running_loop().time()
        sending = asyncio.ensure_future(flood(writer, said)) if said else None
        reply = await all_said(reader)
        assert b"handshake-timeout" in reply
        assert asyncio.get_running_loop().time() - began < 2
        if sending is not None:
            await sending


@pytest.mark.case("A7")
async def test_the_connection_itself_ends_with_the_logins_time_whatever_the_application_does():
    brief = SocketLimits(login=0.3)
    async with ground(sockets=brief, handshake_timeout=60) as g, opened(g) as (reader, _):
        began = asyncio.get_running_loop().time()
        await all_said(reader)
        assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.case("N3")
@pytest.mark.parametrize("logged_in", [False, True])
async def test_a_frame_that_is_not_utf8_ends_the_session_without_a_trace(logged_in, caplog):
    async with ground(sockets=HASTY) as g:
        if logged_in:
            async with g.raw() as socket:
                socket.transport.write(frame(TEXT, b"\xff\xfe"))
                assert (await farewell(socket)).code == "malformed"
                await until(lambda: g.gate.events() == ["connected", "lost"])
        else:
            async with opened(g) as (reader, writer):
                writer.write(frame(TEXT, b"\xff\xfe"))
                assert b"not UTF-8" in await all_said(reader)
    assert caplog.records == []


@pytest.mark.case("A7")
async def test_sockets_without_a_login_are_bounded_over_all_addresses():
    async with ground(greetings=2, greetings_per_address=9) as g, opened(g), opened(g):
        with pytest.raises(InvalidStatus, match="403"):
            await g.socket().__aenter__()
