"""Coins kept back for what is owed: nothing new spends them, whatever else is under way."""

from __future__ import annotations

import asyncio

import pytest
from proxies import http_proxy

from poolhand.chain import connect
from poolhand.domain.errors import ChainUnreachable, OutOfGas
from poolhand.domain.ids import Address
from poolhand.domain.onchain import TransferCoin
from poolhand.domain.units import WEI_PER_COIN, WEI_PER_GWEI, Wei
from poolhand.store.memory import MemoryJournal

pytestmark = pytest.mark.chain
STRANGER = Address(b"\x55" * 20)
COIN = Wei(WEI_PER_COIN)


async def give(anvil, wallet, wei):
    await anvil.rpc("anvil_setBalance", str(wallet.address), hex(wei))


async def test_means_are_balance_price_and_cap(anvil, wallet):
    cap = Wei(7 * WEI_PER_GWEI)
    async with connect(anvil.settings(gas_price_multiplier=2.0, gas_price_cap=cap)) as chain:
        await give(anvil, wallet, 3 * COIN)
        means = await chain.sender(wallet, MemoryJournal()).means()
        head = await chain.hub.head()
        tip = int(await anvil.rpc("eth_maxPriorityFeePerGas"), 16)
        assert means.balance == 3 * COIN
        assert means.price == min(2 * (head.base_fee + tip), cap)
        assert means.cap == cap
        assert not means.is_free


async def test_what_would_touch_the_reserve_is_not_sent_and_names_what_is_missing(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        await give(anvil, wallet, 3 * COIN)
        sender = chain.sender(wallet, journal)
        with pytest.raises(OutOfGas, match="keep 2 coins for reveals: send it at least 0"):
            await sender.send("transfer:1", TransferCoin(STRANGER, COIN), Wei(2 * COIN))
        assert not list(journal.read())
        await sender.send("transfer:1", TransferCoin(STRANGER, COIN), Wei(2 * COIN - COIN // 10))


async def test_what_is_under_way_counts_against_the_reserve(anvil, wallet):
    async with connect(anvil.settings()) as chain:
        await give(anvil, wallet, 4 * COIN)
        await anvil.rpc("evm_setAutomine", False)
        sender = chain.sender(wallet, MemoryJournal())
        tasks = [
            asyncio.create_task(
                sender.send(f"transfer:{number}", TransferCoin(STRANGER, COIN), Wei(2 * COIN))
            )
            for number in range(3)
        ]
        await anvil.pooled(1)
        done, pending = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            more, pending = await asyncio.wait(pending, timeout=20, return_when="FIRST_COMPLETED")
            assert more
            done |= more
        assert all(isinstance(each.exception(), OutOfGas) for each in done)
        (sent,) = pending
        await anvil.rpc("evm_mine")
        assert (await sent).succeeded
        balance = (await chain.hub.coin_balances([wallet.address]))[wallet.address]
        assert balance > 2 * COIN


async def test_a_purpose_that_was_broadcast_is_waited_for_whatever_is_left(anvil, wallet):
    journal, call = MemoryJournal(), TransferCoin(STRANGER, COIN)
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sending = asyncio.create_task(chain.sender(wallet, journal).send("transfer:1", call))
        await anvil.pooled(1)
        sending.cancel()
    async with connect(anvil.settings()) as chain:
        again = asyncio.create_task(
            chain.sender(wallet, journal).send("transfer:1", call, Wei(10**30))
        )
        await anvil.rpc("evm_mine")
        assert (await again).succeeded


async def test_an_account_is_read_at_the_very_block_that_is_named(anvil, wallet):
    async with (
        http_proxy(anvil.url) as late,
        connect(anvil.settings()) as chain,
        connect(anvil.settings(late.url, poll_seconds=3600)) as behind,
    ):
        await anvil.rpc("evm_mine")
        old = await chain.hub.head()
        late.frozen_at = old.number
        await anvil.rpc("evm_mine")
        assert (await behind.hub.head()).number == old.number  # a node that lags says so
        mine = wallet.address
        assert await behind.hub.accounts([mine], at=old) == await chain.hub.accounts([mine], at=old)
        never = type(old)(old.number, type(old.block_hash)(b"\x01" * 32), old.parent_hash, 0, None)
        with pytest.raises(ChainUnreachable):
            await chain.hub.accounts([mine], at=never)
