"""The sender is killed before and after each of its effects: one transaction, the same bytes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from following import mined
from proxies import http_proxy

from chain_fixtures import WALLETS
from poolhand.chain import connect
from poolhand.chain.ledger import LEDGER_CODEC
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.onchain import Deposit
from poolhand.domain.units import NanoRlc
from poolhand.store.memory import MemoryJournal

pytestmark = pytest.mark.chain
CALL = Deposit(NanoRlc(7))


class Killed(Exception):
    """The program ends here."""


class MortalJournal(MemoryJournal):
    """Kills its user before or after an append."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.moment = moment

    def append(self, stream, event) -> None:
        if self.moment == "before":
            raise Killed
        super().append(stream, event)
        if self.moment == "after":
            raise Killed


def journaled(journal) -> list:
    return [
        LEDGER_CODEC.decode(record) for stream, record in journal.read() if stream.startswith("tx:")
    ]


async def run_until_killed(node, proxy, wallet, journal) -> None:
    """Send, and end the program when the journal or the proxy says so."""
    async with connect(node.settings(proxy.url)) as chain:
        sending = asyncio.create_task(chain.sender(wallet, journal).send("deposit:1", CALL))
        stopped = asyncio.create_task(proxy.stopped.wait())
        async with asyncio.timeout(60):
            await asyncio.wait([sending, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    with suppress(Killed, ChainUnreachable):
        await sending


@pytest.mark.parametrize(
    ("point", "moment"),
    [
        (point, moment)
        for point in (
            "journal",
            "eth_estimateGas",
            "eth_sendRawTransaction",
            "eth_getTransactionReceipt",
        )
        for moment in ("before", "after")
    ],
)
async def test_a_killed_sender_sends_once_in_all(anvil, wallet, point, moment):
    journal = MortalJournal(moment if point == "journal" else "never")
    async with http_proxy(anvil.url) as proxy:
        if point != "journal":
            proxy.stop(point, after=moment == "after")
        await run_until_killed(anvil, proxy, wallet, journal)
    left = journaled(journal)
    unsigned = point == "eth_estimateGas" or (point, moment) == ("journal", "before")
    assert len(left) == (0 if unsigned else 1)
    before = await mined(anvil, wallet)

    reopened = journal.reopened()
    async with connect(anvil.settings()) as chain:
        sender = chain.sender(wallet, reopened)
        async with asyncio.timeout(60):
            receipt = await sender.send("deposit:1", CALL)
        stake = (await chain.hub.accounts([wallet.address]))[wallet.address].stake
    assert (await mined(anvil, wallet), stake) == (1, 7)
    assert before in (0, 1)
    if left:
        assert receipt.tx_hash == left[0].tx_hash
        assert journaled(reopened) == left


async def test_a_sender_is_killed_again_and_again(anvil, wallet):
    """Three broadcasts whose answers never come, then a run that lives: still one transaction."""
    journal = MemoryJournal()
    for _ in range(3):
        async with http_proxy(anvil.url) as proxy:
            proxy.stop("eth_sendRawTransaction", after=False)
            await run_until_killed(anvil, proxy, wallet, journal)
        journal = journal.reopened()
        assert len(journaled(journal)) == 1
    async with connect(anvil.settings()) as chain:
        receipt = await chain.sender(wallet, journal).send("deposit:1", CALL)
    assert receipt.tx_hash == journaled(journal)[0].tx_hash
    assert await mined(anvil, wallet) == 1


async def test_what_was_journaled_is_broadcast_without_being_asked(anvil, wallet, following):
    journal = MortalJournal("after")
    async with http_proxy(anvil.url) as proxy:
        await run_until_killed(anvil, proxy, wallet, journal)
    assert await mined(anvil, wallet) == 0
    async with connect(anvil.settings()) as chain:
        heads = following(chain.watcher.heads())
        await heads.until(len)
        start = heads[-1].number
        chain.sender(wallet, journal.reopened())
        await heads.until(lambda told: told[-1].number > start)
        assert await mined(anvil, wallet) == 1


async def test_who_stops_waiting_stops_nothing(anvil, wallet):
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        sender = chain.sender(wallet, MemoryJournal())
        impatient = asyncio.create_task(sender.send("deposit:1", CALL))
        await anvil.pooled(1)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        patient = asyncio.create_task(sender.send("deposit:1", CALL))
        await anvil.rpc("evm_mine")
        await patient
        assert await mined(anvil, wallet) == 1


async def test_disconnecting_tells_who_waits(anvil, wallet):
    async with connect(anvil.settings()) as chain:
        await anvil.rpc("evm_setAutomine", False)
        waiting = asyncio.create_task(chain.sender(wallet, MemoryJournal()).send("deposit:1", CALL))
        await anvil.pooled(1)
    with pytest.raises(ChainUnreachable):
        await waiting


async def test_another_wallets_records_are_left_alone(anvil, wallet):
    journal = MemoryJournal()
    async with connect(anvil.settings()) as chain:
        await chain.sender(WALLETS[1], journal).send("deposit:1", CALL)
    journal = journal.reopened()
    async with connect(anvil.settings()) as chain:
        await chain.sender(wallet, journal).send("deposit:1", CALL)
    assert {record.sender for record in journaled(journal)} == {WALLETS[1].address, wallet.address}
