"""Nonces, fees, refusals and re-organisations, on a real node."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from following import heads_until, market_on, mined
from proxies import http_proxy

from chain_fixtures import WALLETS, fresh_node
from poolhand.chain import connect
from poolhand.chain.errors import BalanceTooLow, Displaced
from poolhand.chain.keeper import JOURNALED
from poolhand.chain.ledger import LEDGER_CODEC, LEDGER_PREFIX
from poolhand.domain.errors import ChainUnreachable, OutOfGas, StakeTooLow
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Deposit, TransferCoin, TransferRlc, Withdraw
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import WEI_PER_GWEI, Gas, NanoRlc, Wei
from poolhand.store.errors import JournalFull
from poolhand.store.memory import MemoryJournal

pytestmark = pytest.mark.chain
CALL = Deposit(NanoRlc(7))
STRANGER = Address(b"\x55" * 20)


def versions(journal, purpose: str = "deposit:1") -> list:
    return [
        LEDGER_CODEC.decode(r) for stream, r in journal.read() if stream == LEDGER_PREFIX + purpose
    ]


# ------------------------------------------------------------------------------ many at once


async def test_many_are_in_flight_from_one_wallet(anvil, wallet):
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sender = chain.sender(wallet, MemoryJournal())
        calls = [TransferRlc(STRANGER, NanoRlc(number)) for number in range(1, 101)]
        sending = [
            asyncio.create_task(sender.send(f"transfer:{call.amount}", call)) for call in calls
        ]
        await anvil.pooled(100)
        await anvil.rpc("evm_mine")
        receipts = await asyncio.gather(*sending)
        assert len({receipt.block for receipt in receipts}) == 1
        assert len({receipt.tx_hash for receipt in receipts}) == 100
        assert (await chain.hub.rlc_balances([STRANGER]))[STRANGER] == 5050


async def mined_meanwhile(anvil, sending):
    """Mine until all is mined: Anvil by itself may leave what came before its nonce's turn."""
    while not sending.done():
        await anvil.rpc("evm_mine")
        await asyncio.wait([sending], timeout=0.05)
    return await sending


async def test_finished_purposes_leave_the_journal_but_not_the_memory(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, journal)
        purposes = [f"transfer:{number}" for number in range(JOURNALED + 20)]
        call = TransferCoin(STRANGER, Wei(1))
        receipts = await mined_meanwhile(
            anvil, asyncio.gather(*(sender.send(purpose, call) for purpose in purposes))
        )
        assert len({stream for stream, _ in journal.read()}) == JOURNALED
        assert await sender.send(purposes[0], call) == receipts[0]
        assert await mined(anvil, wallet) == len(purposes)


# --------------------------------------------------------------------------------------- fees


async def test_the_price_is_the_networks_times_the_multiplier(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings(gas_price_multiplier=2.0)) as chain:
        base = (await chain.hub.head()).base_fee
        await chain.sender(wallet, journal).send("deposit:1", CALL)
        tip = int(await anvil.rpc("eth_maxPriorityFeePerGas"), 16)
        (sent,) = versions(journal)
        assert sent.transaction.max_fee == 2 * (base + tip)
        assert sent.transaction.priority_fee == tip
        told = await anvil.rpc("eth_getTransactionByHash", str(sent.tx_hash))
        assert told["type"] == "0x2"


async def test_the_price_is_capped(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings(gas_price_cap=Wei(WEI_PER_GWEI))) as chain:
        receipt = await chain.sender(wallet, journal).send("deposit:1", CALL)
        assert versions(journal)[0].transaction.max_fee == WEI_PER_GWEI
        assert receipt.gas_price <= WEI_PER_GWEI


async def test_a_chain_without_base_fee_gets_legacy_transactions(deployed_chain, tmp_path, wallet):
    program = tmp_path / "berlin"
    program.write_text(f'#!/bin/sh\nexec {deployed_chain.artifacts.anvil} --hardfork berlin "$@"\n')
    program.chmod(0o700)
    old = replace(deployed_chain, artifacts=replace(deployed_chain.artifacts, anvil=program))
    async with fresh_node(old, tmp_path / "node") as node, connect(node.settings()) as chain:
        await node.rpc("evm_mine")  # the saved blocks are of a later kind
        assert (await chain.hub.head()).base_fee is None
        heads = chain.watcher.heads()
        while (await anext(heads)).base_fee is not None:
            pass
        journal = MemoryJournal()
        await chain.sender(wallet, journal).send("deposit:1", CALL)
        (sent,) = versions(journal)
        assert sent.transaction.priority_fee is None
        price = int(await node.rpc("eth_gasPrice"), 16)
        assert sent.transaction.max_fee == price * 13 // 10
        told = await node.rpc("eth_getTransactionByHash", str(sent.tx_hash))
        assert told["type"] == "0x0"


async def raise_base_fee(node, gwei: int) -> None:
    await node.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * WEI_PER_GWEI))
    await node.rpc("evm_mine")


async def test_a_stuck_transaction_is_replaced_at_its_nonce(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sending = asyncio.create_task(chain.sender(wallet, journal).send("deposit:1", CALL))
        await anvil.pooled(1)
        heads = chain.watcher.heads()
        async with asyncio.timeout(60):
            while not sending.done():
                await raise_base_fee(anvil, 10)
                await anext(heads)
        first, *_, last = versions(journal)
        assert (await sending).tx_hash == last.tx_hash != first.tx_hash
        assert first.nonce == last.nonce
        assert last.transaction.data == first.transaction.data
        assert last.transaction.max_fee > 10 * WEI_PER_GWEI > first.transaction.max_fee
        assert await mined(anvil, wallet) == 1


async def test_a_replacement_is_remembered_after_a_crash(anvil, wallet):
    journal, base_fee = MemoryJournal(), 10
    async with connect(anvil.settings(gas_price_cap=Wei(10**6 * WEI_PER_GWEI))) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sending = asyncio.create_task(chain.sender(wallet, journal).send("deposit:1", CALL))
        await anvil.pooled(1)
        heads = chain.watcher.heads()
        async with asyncio.timeout(60):
            while len(versions(journal)) < 2:
                await raise_base_fee(anvil, base_fee)
                base_fee *= 2  # the replacement (x 1.3) is not mined before this one ends
                await anext(heads)
    with pytest.raises(ChainUnreachable):
        await sending
    await raise_base_fee(anvil, 1)
    journal = journal.reopened()
    async with connect(anvil.settings()) as chain:
        again = asyncio.create_task(chain.sender(wallet, journal).send("deposit:1", CALL))
        heads = chain.watcher.heads()
        async with asyncio.timeout(60):
            while not again.done():
                await raise_base_fee(anvil, 1)
                await anext(heads)
        assert (await again).tx_hash in {version.tx_hash for version in versions(journal)}
    assert await mined(anvil, wallet) == 1


async def test_nothing_above_the_cap_is_offered(anvil, wallet):
    journal = MemoryJournal()
    cap = Wei(3 * WEI_PER_GWEI)
    async with connect(anvil.settings(gas_price_cap=cap)) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sending = asyncio.create_task(chain.sender(wallet, journal).send("deposit:1", CALL))
        await anvil.pooled(1)
        heads = chain.watcher.heads()
        for _ in range(20):
            await raise_base_fee(anvil, 10)
            await anext(heads)
        assert all(version.transaction.max_fee <= cap for version in versions(journal))
        assert not sending.done()
        async with asyncio.timeout(60):
            while not sending.done():
                await raise_base_fee(anvil, 1)
                await anext(heads)
        await sending
    assert await mined(anvil, wallet) == 1


async def test_a_transaction_that_the_node_forgot_is_broadcast_again(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sending = asyncio.create_task(chain.sender(wallet, journal).send("deposit:1", CALL))
        await anvil.pooled(1)
        await anvil.rpc("anvil_dropAllTransactions")
        heads = chain.watcher.heads()
        async with asyncio.timeout(60):
            while not sending.done():
                await anvil.rpc("evm_mine")
                await anext(heads)
        assert (await sending).tx_hash == versions(journal)[0].tx_hash
        assert len(versions(journal)) == 1


# ----------------------------------------------------------------------------------- refusals


async def test_a_poor_wallet_is_told_what_to_add(anvil, wallet):
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, MemoryJournal())
        await anvil.rpc("anvil_setBalance", str(wallet.address), "0x0")
        with pytest.raises(OutOfGas) as caught:
            await sender.send("deposit:1", CALL)
        missing = str(caught.value).split("at least ")[1].split(" ")[0]
        await anvil.rpc(
            "anvil_setBalance", str(wallet.address), hex(round(float(missing) * 1e18) + 10**13)
        )
        await sender.send("deposit:1", CALL)
        with pytest.raises(OutOfGas):
            await sender.send("coin:1", TransferCoin(STRANGER, Wei(10**18)))
        assert await mined(anvil, wallet) == 1


async def test_a_refusal_costs_nothing(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, journal)
        with pytest.raises(BalanceTooLow):
            await sender.send("withdraw:1", Withdraw(NanoRlc(1)))
        assert (await mined(anvil, wallet), list(journal.read())) == (0, [])


async def test_a_purpose_that_failed_on_chain_is_explained_and_may_be_sent_anew(anvil, wallet):
    """Estimated when it would succeed, mined when it no longer does."""
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, journal)
        await sender.send("deposit:1", CALL)
        await anvil.rpc("evm_setAutomine", False)
        first = asyncio.create_task(sender.send("withdraw:1", Withdraw(NanoRlc(7))))
        await anvil.pooled(1)
        second = asyncio.create_task(sender.send("withdraw:2", Withdraw(NanoRlc(7))))
        await anvil.pooled(2)
        await anvil.rpc("evm_mine")
        await first
        with pytest.raises(BalanceTooLow):
            await second
        assert await mined(anvil, wallet) == 3
        await anvil.rpc("evm_setAutomine", True)
        await sender.send("deposit:2", CALL)
        receipt = await sender.send("withdraw:2", Withdraw(NanoRlc(7)))
        assert receipt.succeeded
        assert await mined(anvil, wallet) == 5


async def test_a_full_journal_sends_nothing(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, journal)
        journal.failure = JournalFull("disk")
        with pytest.raises(JournalFull):
            await sender.send("deposit:1", CALL)
        assert await mined(anvil, wallet) == 0
        journal.failure = None
        await sender.send("deposit:1", CALL)
        assert await mined(anvil, wallet) == 1


async def test_a_wrong_text_of_the_contract_reaches_the_caller(anvil):
    async with connect(anvil.settings()) as chain:
        market = await market_on(anvil, chain)
        market.price = 10**15
        with pytest.raises(StakeTooLow):
            await market.deal()


async def test_an_unanswered_broadcast_is_found_again(anvil, wallet):
    async with http_proxy(anvil.url) as proxy, connect(anvil.settings(proxy.url)) as chain:
        sender = chain.sender(wallet, MemoryJournal())
        await sender.send("deposit:0", CALL)
        proxy.lose_answer_of = "eth_sendRawTransaction"
        with pytest.raises(ChainUnreachable):
            await sender.send("deposit:1", CALL)
        proxy.lose_answer_of = ""
        await sender.send("deposit:1", CALL)
        assert await mined(anvil, wallet) == 2


async def test_a_refusal_after_a_lost_answer_proves_nothing(anvil, wallet):
    """The first endpoint has taken it, whatever the second says of the wallet's funds."""
    journal = MemoryJournal()
    async with (
        http_proxy(anvil.url) as one,
        http_proxy(anvil.url) as two,
        connect(anvil.settings(one.url, two.url)) as chain,
    ):
        sender = chain.sender(wallet, journal)
        await sender.send("deposit:0", CALL)
        one.taken = two.taken = []
        with pytest.raises(ChainUnreachable):
            await sender.send("deposit:1", CALL)
        assert len(one.taken) == 2
        one.taken = two.taken = None
        receipt = await sender.send("deposit:1", CALL)
        assert receipt.tx_hash == versions(journal)[0].tx_hash
        assert await mined(anvil, wallet) == 2


# -------------------------------------------------------------------- another program, other blocks


async def foreign(node, wallet, nonce: int, gwei: int = 20) -> str:
    """Another program uses the wallet: it sends one wei at a nonce."""
    raw, _ = wallet.sign_transaction(
        UnsignedTransaction(
            31337, nonce, STRANGER, Wei(1), b"", Gas(21000), Wei(gwei * 10**9), Wei(gwei * 10**9)
        )
    )
    return await node.rpc("eth_sendRawTransaction", "0x" + raw.hex())


async def test_a_nonce_used_by_another_program_is_read_anew_at_once(anvil, wallet):
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, MemoryJournal())
        await sender.send("deposit:1", CALL)
        for nonce in (1, 2, 3):
            await foreign(anvil, wallet, nonce)
        assert (await sender.send("deposit:2", CALL)).succeeded
        assert await mined(anvil, wallet) == 5


async def test_a_transaction_displaced_in_the_pool_is_told(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sending = asyncio.create_task(chain.sender(wallet, journal).send("deposit:1", CALL))
        await anvil.pooled(1)
        await foreign(anvil, wallet, 0)
        await anvil.rpc("evm_mine")
        with pytest.raises(Displaced):
            await asyncio.wait_for(sending, 60)
        assert list(journal.read()) == []


async def test_what_a_reorganisation_took_back_is_sent_again(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, journal)
        receipt = await sender.send("deposit:1", CALL)
        await anvil.turn_back(1)
        await anvil.mine_again(1)

        async def deposited() -> bool:
            account = (await chain.hub.accounts([wallet.address]))[wallet.address]
            return account.stake == 7 and await mined(anvil, wallet) == 1

        await heads_until(chain, deposited)
        again = await sender.send("deposit:1", CALL)
        assert again.tx_hash == receipt.tx_hash
        assert replace(again, block=receipt.block, gas_price=receipt.gas_price) == receipt
        assert len(versions(journal)) == 1


async def test_a_receipt_waits_for_its_confirmations(anvil, wallet):
    async with connect(anvil.settings(confirmations=3)) as chain:
        sending = asyncio.create_task(chain.sender(wallet, MemoryJournal()).send("deposit:1", CALL))
        heads = chain.watcher.heads()
        start = (await anext(heads)).number
        async for head in heads:
            if head.number >= start + 2:
                break
            assert not sending.done()
            await anvil.rpc("evm_mine")
        await anvil.rpc("evm_mine")
        receipt = await asyncio.wait_for(sending, 60)
        assert (await chain.hub.head()).number >= receipt.block + 2


async def test_everybody_who_asks_gets_the_same_receipt(anvil):
    one, two = WALLETS[:2]
    async with connect(anvil.settings()) as chain:
        senders = [chain.sender(one, MemoryJournal()), chain.sender(two, MemoryJournal())]
        receipts = await asyncio.gather(
            *(sender.send("deposit:1", CALL) for sender in senders for _ in range(5))
        )
        assert len({receipt.tx_hash for receipt in receipts}) == 2
