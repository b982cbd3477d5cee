"""Bodies that are no HTTP, or hardly: refused, at no cost to others and to the log (A4, A7)."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from session_world import until
from structlog.testing import capture_logs
from test_connections import ASK, PATIENT, Leave, serving

CHUNKED = b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


async def sent(port, head: bytes, *rest: bytes) -> bytes:
    """Send a head, then the rest once it had time to be seen; return all that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for each in (head, *rest):
        writer.write(each)
        await writer.drain()
    got = bytearray()
    with suppress(ConnectionError):  # cut with our bytes unread
        while piece := await reader.read(65_536):
            got += piece
    writer.close()
    return bytes(got)


async def health(port) -> bytes:
    return await sent(port, ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))


@pytest.mark.case("A4")
@pytest.mark.parametrize("path", [b"POST /length", b"GET /health", b"GET /large", b"PUT /none"])
@pytest.mark.parametrize("body", [b"ZZ\r\n", b"1\r\nxx\r\n", b"0\r\n: \r\n\r\n", b"-1\r\n"])
async def test_a_body_that_is_no_http_writes_nothing_to_the_log(caplog, path, body):
    with capture_logs() as told:
        async with serving(PATIENT) as port:
            await sent(port, path + CHUNKED, body)
            await sent(port, path + CHUNKED + body)
            assert b"200 OK" in await health(port)
    assert (told, caplog.records) == ([], [])


@pytest.mark.case("A4")
async def test_who_works_on_a_request_that_ends_so_finds_its_peer_gone(caplog):
    leave = Leave()
    with capture_logs() as told:
        async with serving(PATIENT, leave) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /late" + CHUNKED)
            await until(lambda: leave.waiting == 1)
            writer.write(b"ZZ\r\n")
            assert b"400" in await reader.readline()
            leave.set()
            assert b"200 OK" in await health(port)
            writer.close()
    assert (told, caplog.records) == ([], [])


@pytest.mark.case("A4")
async def test_an_answer_under_way_is_cut_where_the_request_goes_bad(caplog):
    with capture_logs() as told:
        async with serving(PATIENT) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /large" + CHUNKED)
            assert b"200 OK" in await reader.readline()
            writer.write(b"ZZ\r\n")
            with suppress(ConnectionError):
                await reader.read()
            assert b"200 OK" in await health(port)
            writer.close()
    assert (told, caplog.records) == ([], [])


@pytest.mark.case("A4", "A7")
async def test_a_body_of_crumbs_is_refused(caplog):
    async with serving(PATIENT) as port:
        got = await sent(port, b"POST /length" + CHUNKED, b"1\r\nx\r\n" * 1_001)
        assert b"too small" in got
    assert caplog.records == []


LONG = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 70_000
NO_HTTP = b"BREW /coffee\r\n\r\n"


@pytest.mark.case("A7")
@pytest.mark.parametrize(
    ("asked", "status", "code", "advice"),
    [(LONG, 431, "head-too-long", "send fewer headers"), (NO_HTTP, 400, "bad-http", "its line")],
)
async def test_what_no_service_sees_is_refused_in_the_form_of_all(
    caplog, asked, status, code, advice
):
    async with serving(PATIENT) as port:
        head, _, body = (await sent(port, asked)).partition(b"\r\n\r\n")
        assert b"200 OK" in await health(port)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/json" in head.lower()
    told = json.loads(body)
    assert (told["code"], advice in told["message"]) == (code, True)
    assert caplog.records == []


@pytest.mark.parametrize(("size", "count"), [(1, 1_000), (64, 5_000), (4_096, 20)])
async def test_an_honest_body_in_chunks_is_taken(size, count):
    chunk = f"{size:x}\r\n".encode() + b"x" * size + b"\r\n"
    body = chunk * count + b"0\r\n\r\n"
    head = (b"POST /length" + CHUNKED).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving(PATIENT) as port:
        assert (await sent(port, head, body)).endswith(str(size * count).encode())
