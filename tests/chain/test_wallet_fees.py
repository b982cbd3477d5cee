"""What a transaction pays, and when it is replaced; over a node in memory."""

from __future__ import annotations

import asyncio

import pytest
from wallet_world import CALL, GWEI, SEND, WALLET, blocks, ended, sending, versions

from memory_node import MemoryLink, RpcError, linked
from poolhand.chain.keeper import REPEAT, REPLACE
from poolhand.domain.errors import ChainUnreachable, Refused
from poolhand.domain.units import Wei


async def test_the_price_is_the_networks_times_the_multiplier(node, link, journal):
    async with linked(link, gas_price_multiplier=2.0) as chain:
        await ended(sending(chain, journal))
    (sent,) = versions(journal)
    assert (sent.transaction.max_fee, sent.transaction.priority_fee) == (4 * GWEI, GWEI)


async def test_who_pays_more_than_the_usual_tip_comes_before_the_others(node, link, journal):
    async with linked(link, gas_price_multiplier=2.0, gas_tip_multiplier=1.5) as chain:
        await ended(sending(chain, journal))
    (sent,) = versions(journal)
    assert (sent.transaction.max_fee, sent.transaction.priority_fee) == (5 * GWEI, 3 * GWEI // 2)


async def test_the_price_is_capped(node, link, journal):
    node.tip = 50 * GWEI
    async with linked(link, gas_price_cap=Wei(3 * GWEI)) as chain:
        await ended(sending(chain, journal))
    assert node.taken[0].max_fee == 3 * GWEI


async def test_a_stuck_transaction_is_replaced_and_the_replacement_journaled(node, link, journal):
    node.automine = False
    async with linked(link) as chain:
        task = sending(chain, journal)
        await ended(node.pooled(1))
        await blocks(chain, node, REPLACE, fee=10 * GWEI)
        assert len(node.taken) == 2
        first, last = versions(journal)
        assert [each.raw for each in (first, last)] == [tx.raw for tx in node.taken]
        assert (first.nonce, last.transaction.data) == (last.nonce, first.transaction.data)
        assert last.transaction.max_fee > 10 * GWEI > first.transaction.max_fee
    with pytest.raises(ChainUnreachable):
        await task


async def test_a_replacement_that_the_wallet_cannot_pay_leaves_the_first_to_be_sent_again(
    node, link, journal
):
    node.automine = False
    async with linked(link) as chain:
        task = sending(chain, journal)
        await ended(node.pooled(1))
        first = node.taken[0]
        node.chain.state.coin[WALLET.address] = first.cost
        await blocks(chain, node, REPLACE, fee=10 * GWEI)
        assert len(versions(journal)) == 2
        assert [tx.raw for tx in node.taken] == [first.raw]
        node.drop()
        await blocks(chain, node, REPEAT, fee=10 * GWEI)
        assert [tx.raw for tx in node.pool.values()] == [first.raw]
        node.base_fee = GWEI
        node.mine()
        assert str((await ended(task)).tx_hash) == first.hash


class SignsOnce:
    """A signer whose rules let it sign no second time, as of who was paid before."""

    address = WALLET.address

    def __init__(self):
        self.signed = 0

    def sign_transaction(self, transaction):
        self.signed += 1
        if self.signed > 1:
            raise Refused("it pays another than the settings name")
        return WALLET.sign_transaction(transaction)


async def test_a_replacement_that_nobody_signs_leaves_the_first_and_ends_nothing(
    node, link, journal
):
    node.automine, signer = False, SignsOnce()
    async with linked(link) as chain:
        task = asyncio.create_task(chain.sender(signer, journal).send("deposit:1", CALL))
        await ended(node.pooled(1))
        first = node.taken[0]
        await blocks(chain, node, 2 * REPLACE, fee=10 * GWEI)
        assert signer.signed > 1
        assert [tx.raw for tx in node.pool.values()] == [first.raw]
        node.base_fee = GWEI
        node.mine()
        assert str((await ended(task)).tx_hash) == first.hash


async def test_a_replacement_is_known_after_a_crash(node, link, journal):
    node.automine = False
    async with linked(link) as chain:
        task = sending(chain, journal)
        await ended(node.pooled(1))
        await blocks(chain, node, REPLACE, fee=10 * GWEI)
    with pytest.raises(ChainUnreachable):
        await task
    node.mine()  # while nobody looks, the replacement is mined
    journal = journal.reopened()
    async with linked(MemoryLink(node)) as chain:
        receipt = await ended(sending(chain, journal))
    assert str(receipt.tx_hash) == node.taken[-1].hash
    assert node.sent_by(WALLET.address) == 1


async def test_nothing_above_the_cap_is_offered(node, link, journal):
    node.automine = False
    async with linked(link, gas_price_cap=Wei(3 * GWEI)) as chain:
        task = sending(chain, journal)
        await ended(node.pooled(1))
        await blocks(chain, node, 2 * REPLACE, fee=10 * GWEI)
        assert max(tx.max_fee for tx in node.taken) <= 3 * GWEI
        assert not task.done()
        node.base_fee = GWEI
        node.mine()
        assert (await ended(task)).succeeded


async def test_a_chain_without_base_fee_gets_transactions_of_the_old_kind(node, link, journal):
    node.is_london = False
    async with linked(link) as chain:
        await ended(sending(chain, journal))
    assert node.taken[0].tip is None
    assert node.taken[0].max_fee == 2 * GWEI * 13 // 10


async def test_a_chain_that_only_looks_like_one_with_base_fee_gets_them_too(node, link, journal):
    """Some show a base fee in their blocks and take no transactions of type 2."""

    def refuse(method, params):
        if method == SEND and params[0].startswith("0x02"):
            raise RpcError(-32000, "transaction type not supported")

    node.refuse = refuse
    async with linked(link) as chain:
        await ended(sending(chain, journal))
        await ended(sending(chain, journal, "deposit:2"))
    assert [(tx.tip, tx.nonce) for tx in node.taken] == [(None, 0), (None, 1)]
    assert node.asked.count(SEND) == 3, "remembered"
    assert len(versions(journal)) == 1


async def test_gas_is_estimated_where_no_block_may_be_named(node, link, journal):
    node.lacks = {"estimate at"}
    async with linked(link) as chain:
        assert (await ended(sending(chain, journal))).succeeded
