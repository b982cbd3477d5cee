"""What a requester bears of a pool, whose address a stranger may have written on chain."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest
from raw_server import body, raw_server

from poolhand.domain.errors import Malformed
from poolhand.transport.pool_client import MAX_POOL_ANSWER, PoolClient

BOMB = gzip.compress(b'"' + b"x" * (4 * MAX_POOL_ANSWER) + b'"')


async def endless(writer, _head):
    """Answer without an end, as long as somebody reads."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


async def asked(script) -> None:
    async with raw_server(script) as server, httpx.AsyncClient(trust_env=False) as http:
        await PoolClient(http, server.url("")).config()


@pytest.mark.case("A9")
async def test_an_answer_without_an_end_is_left():
    with pytest.raises(Malformed, match=f"over {MAX_POOL_ANSWER} bytes"):
        await asyncio.wait_for(asked(endless), 30)


@pytest.mark.case("A9")
async def test_an_answer_that_would_swell_is_not_inflated():
    with pytest.raises(Malformed, match="does not speak JSON"):
        await asked(body(BOMB, headers="Content-Encoding: gzip\r\n"))
