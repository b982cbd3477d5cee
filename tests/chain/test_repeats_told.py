"""A wallet's transactions that make no way are told of now and then, not with every try."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from aiohttp import web
from proxies import http_proxy

from poolhand.chain import connect
from poolhand.domain.onchain import Deposit
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.store.memory import MemoryJournal

pytestmark = pytest.mark.chain
CALLS = [Deposit(NanoRlc(number)) for number in (1, 2, 3)]


@pytest.fixture
def lines():
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        yield told


def events(lines, *names):
    return [line["event"] for line in lines if line["event"] in names]


async def test_transactions_that_the_node_forgot_are_one_line_and_one_when_they_move(
    anvil, wallet, lines
):
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sender = chain.sender(wallet, MemoryJournal())
        sending = [asyncio.create_task(sender.send(f"deposit:{c.amount}", c)) for c in CALLS]
        await anvil.pooled(len(CALLS))
        await anvil.rpc("anvil_dropAllTransactions")
        heads = chain.watcher.heads()
        async with asyncio.timeout(60):
            while not all(each.done() for each in sending):
                await anvil.rpc("evm_mine")
                await anext(heads)
    told = events(lines, "transaction_rebroadcast", "transactions_resumed")
    assert told == ["transaction_rebroadcast", "transactions_resumed"]


async def test_a_wallet_that_cannot_be_watched_is_one_line_and_one_when_it_can(
    anvil, wallet, lines
):
    enough = asyncio.Event()
    refused = 0

    def down() -> web.Response:
        nonlocal refused
        refused += 1
        if refused >= 5:
            enough.set()
        return web.Response(status=502)

    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        proxy.fault = down
        sender = chain.sender(wallet, MemoryJournal())
        async with asyncio.timeout(60):
            await enough.wait()
        proxy.fault = None
        async with asyncio.timeout(60):
            await sender.send("deposit:1", CALLS[0])
    told = events(lines, "transactions_unwatched", "transactions_watched")
    assert told == ["transactions_unwatched", "transactions_watched"]
    failed = events(lines, "endpoint_failed", "endpoint_answered")
    assert failed == ["endpoint_failed", "endpoint_answered"]


async def test_a_chain_that_cannot_be_followed_is_one_line_and_one_when_it_can(anvil, lines):
    """Its node tells of new heads and does not tell their logs."""
    logs = "eth_getLogs"
    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        heads = chain.watcher.heads()
        async with asyncio.timeout(60):
            await anext(heads)
            proxy.lose_answer_of, before = logs, proxy.methods.count(logs)
            await anvil.rpc("evm_mine")
            while proxy.methods.count(logs) < before + 5:
                await proxy.asked(1)
            proxy.lose_answer_of = ""
            await anext(heads)
    told = events(lines, "chain_not_followed", "chain_followed")
    assert told == ["chain_not_followed", "chain_followed"]


async def test_old_logs_that_cannot_be_read_are_a_trouble_of_their_own(anvil, lines):
    """The chain is followed all the while: its new blocks are told."""
    await anvil.rpc("anvil_mine", hex(200))
    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        heads, old = chain.watcher.heads(), chain.watcher.events(None, BlockNumber(0))
        async with asyncio.timeout(60):
            await anext(heads)
            proxy.widest_logs = 0
            reading = asyncio.ensure_future(anext(old))
            for _ in range(3):
                await anvil.rpc("evm_mine")
                await anext(heads)
                await proxy.asked(3)
            proxy.widest_logs = None
            while not events(lines, "logs_read"):
                await anvil.rpc("evm_mine")
                await anext(heads)
        reading.cancel()
    told = events(lines, "logs_unreadable", "logs_read", "chain_not_followed", "chain_followed")
    assert told == ["logs_unreadable", "logs_read"]
