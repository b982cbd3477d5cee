"""Which nonce a transaction gets, over a node in memory."""

from __future__ import annotations

import asyncio

import pytest
from wallet_world import GWEI, SEND, STRANGER, WALLET, blocks, ended, funded, nonces, sending

from memory_node import MemoryLink, MemoryNode, RpcError, linked
from poolhand.chain.errors import Displaced, SendRefused
from poolhand.domain.onchain import (
    TransferRlc,
)
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, NanoRlc, Wei


async def test_many_are_in_flight_from_one_wallet(node, link, journal):
    node.automine = False
    async with linked(link) as chain:
        calls = [TransferRlc(STRANGER, NanoRlc(number)) for number in range(1, 31)]
        tasks = [sending(chain, journal, f"transfer:{call.amount}", call) for call in calls]
        await ended(node.pooled(30))
        assert sorted(nonce for _, nonce in node.pool) == list(range(30))
        node.mine()
        receipts = await ended(asyncio.gather(*tasks))
    assert len({receipt.tx_hash for receipt in receipts}) == 30
    assert node.chain.state.rlc_of(STRANGER) == 465


async def test_a_nonce_that_was_refused_is_used_by_who_comes_next(node, link, journal):
    """Else everything after it would wait for ever: what was out already, and what comes."""
    refusals = ["exceeds block gas limit"]

    def refuse(method, _params):
        if method == SEND and refusals:
            raise RpcError(-32000, refusals.pop())

    node.refuse = refuse
    async with linked(link) as chain:
        tasks = [sending(chain, journal, f"deposit:{number}") for number in (1, 2)]
        with pytest.raises(SendRefused):
            await ended(tasks[0])
        assert (await ended(tasks[1])).succeeded
        assert (await ended(sending(chain, journal, "deposit:3"))).succeeded
    assert sorted(tx.nonce for tx in node.taken) == list(range(len(node.taken)))


async def test_a_purpose_is_sent_once_whoever_asks(node, link, journal):
    async with linked(link) as chain:
        receipts = await ended(asyncio.gather(*(sending(chain, journal) for _ in range(5))))
        assert len({receipt.tx_hash for receipt in receipts}) == 1
        assert await ended(sending(chain, journal)) == receipts[0]
    assert len(node.taken) == 1


async def test_a_nonce_used_by_another_program_is_told(node, link, journal):
    node.automine = False
    async with linked(link) as chain:
        task = sending(chain, journal)
        await ended(node.pooled(1))
        foreign(node, 0, 5 * GWEI)
        node.mine()
        with pytest.raises(Displaced) as caught:
            await ended(task)
        assert caught.value.nonce == 0
        node.automine = True
        assert (await ended(sending(chain, journal))).succeeded
    assert node.sent_by(WALLET.address) == 2


async def test_a_nonce_that_another_program_was_first_to_use_costs_one_more_try(
    node, link, journal
):
    async with linked(link) as chain:
        await ended(sending(chain, journal, "deposit:0"))
        for nonce in range(1, 21):
            foreign(node, nonce)
        await blocks(chain, node, 1)
        before = node.asked.count(SEND)
        assert (await ended(sending(chain, journal))).succeeded
    assert node.asked.count(SEND) == before + 2
    assert node.sent_by(WALLET.address) == 22
    assert nonces(journal) == [0, 21]


class LateCount(MemoryNode):
    """Tells for a while of one mined transaction only, as a provider's slower node does."""

    lags = 0

    def _eth_getTransactionCount(self, owner, at):  # noqa: N802
        if self.lags:
            self.lags -= 1
            return hex(1)
        return super()._eth_getTransactionCount(owner, at)


async def test_where_the_count_lags_the_next_nonces_are_tried_one_by_one(journal):
    node = funded(LateCount())
    async with linked(MemoryLink(node)) as chain:
        await ended(sending(chain, journal, "deposit:0"))
        for nonce in range(1, 4):
            foreign(node, nonce)
        await blocks(chain, node, 1)
        before, node.lags = node.asked.count(SEND), 2
        assert (await ended(sending(chain, journal))).succeeded
    assert node.asked.count(SEND) == before + 4
    assert nonces(journal) == [0, 4]


async def test_what_may_have_been_out_is_given_no_other_nonce(node, link, journal):
    """The first endpoint takes it and breaks off; the second knows its nonce as used: by itself."""
    second = MemoryLink(node)
    async with linked(link, second) as chain:
        await ended(sending(chain, journal, "deposit:0"))
        link.after = link.breaks(SEND)
        assert (await ended(sending(chain, journal))).succeeded
    assert node.sent_by(WALLET.address) == 2
    assert nonces(journal) == [0, 1]


class LateReceipts(MemoryNode):
    """Counts a transaction as mined before it has the receipt, as Anvil does under load."""

    hidden = 4

    def _eth_getTransactionReceipt(self, tx_hash):  # noqa: N802
        if self.hidden:
            self.hidden -= 1
            self.mine()  # every block brings a look
            return None
        return super()._eth_getTransactionReceipt(tx_hash)


async def test_a_receipt_that_comes_late_is_waited_for_whatever_blocks_come(journal):
    node = funded(LateReceipts())
    async with linked(MemoryLink(node)) as chain:
        assert (await ended(sending(chain, journal))).succeeded
    assert not node.hidden
    assert node.sent_by(WALLET.address) == 1


def foreign(node, nonce, fee=2 * GWEI):
    transaction = UnsignedTransaction(
        31337, nonce, STRANGER, Wei(1), b"", Gas(21000), Wei(fee), Wei(fee)
    )
    raw, _ = WALLET.sign_transaction(transaction)
    automine, node.automine = node.automine, False
    assert "result" in node.answer({"method": SEND, "params": ["0x" + raw.hex()]})
    node.automine = automine


async def test_a_pool_that_is_not_shown_is_counted_by_what_is_mined(node, link, journal):
    node.lacks = {"pending"}
    async with linked(link) as chain:
        assert (await ended(sending(chain, journal))).succeeded
