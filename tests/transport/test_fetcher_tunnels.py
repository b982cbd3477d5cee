"""Apps are let through by the process that downloads: what it may do there, and when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from downloads import MOST, OPEN, QUICK, at_once

from poolhand.transport.fetcher_process import FetcherProcess

PLENTY = 10**9


@pytest.fixture
async def echo():
    async def answer(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def process():
    async def resolve(host, port):
        return (ip_address("127.0.0.1"),)

    made = FetcherProcess(OPEN, MOST, resolver=resolve, pause=at_once, program=QUICK)
    async with made.at_work() as at_work:
        yield at_work


@asynccontextmanager
async def app(process, hosts, app=1, left=PLENTY):
    """An app's connection; yields its end and what will be reported."""
    ours, theirs = socket.socketpair()
    with theirs:
        report = asyncio.create_task(process.let_through(theirs.fileno(), app, hosts, left))
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            async with asyncio.timeout(10):
                yield reader, writer, report
        finally:
            writer.close()
            report.cancel()
            await asyncio.gather(report, return_exceptions=True)


async def test_an_app_reaches_a_host_of_its_list_and_no_other(process, echo):
    hosts = (f"there.example:{echo}",)
    async with app(process, hosts) as (reader, writer, report):
        writer.write(f"CONNECT {hosts[0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"x" * 1_000_000)
        writer.write_eof()
        assert len(await reader.read()) == 1_000_000
        told = await report
    assert (told.host, told.address, told.why) == (hosts[0], "127.0.0.1", "")
    assert (told.up, told.down) == (1_000_000, 1_000_000)
    async with app(process, hosts) as (reader, writer, report):
        writer.write(b"CONNECT other.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 403 ")
        assert (await report).address == ""


async def test_connections_of_one_app_share_what_is_left_to_it(process, echo):
    host = f"there.example:{echo}"
    asked = f"CONNECT {host} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with (
        app(process, (host,), left=1000) as (reader, writer, first),
        app(process, (host,), left=1000) as (more, its, second),
        app(process, (host,), app=2, left=1000) as (others, theirs, third),
    ):
        for each, end in ((reader, writer), (more, its), (others, theirs)):
            end.write(asked)
            await each.readuntil(b"\r\n\r\n")
        writer.write(b"x" * 400)
        assert len(await reader.readexactly(400)) == 400
        its.write(b"x" * 201)
        assert await more.read() == b""
        assert "used up" in (await second).why
        theirs.write(b"x" * 201)
        assert len(await others.readexactly(201)) == 201
        theirs.close()
        writer.close()
        assert [(await each).why for each in (first, third)] == ["", ""]


async def test_connections_end_with_the_process_and_the_next_starts_it_anew(process, echo):
    host = f"there.example:{echo}"
    asked = f"CONNECT {host} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with app(process, (host,)) as (reader, writer, report):
        writer.write(asked)
        await reader.readuntil(b"\r\n\r\n")
        os.kill(process.pid, signal.SIGKILL)
        assert "signal 9" in (await report).why
    async with app(process, (host,)) as (reader, writer, report):
        writer.write(asked)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_who_does_not_wait_any_more_has_the_connection_cut(process, echo):
    host = f"there.example:{echo}"
    async with app(process, (host,)) as (reader, writer, report):
        writer.write(f"CONNECT {host} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        report.cancel()
        await asyncio.gather(report, return_exceptions=True)
