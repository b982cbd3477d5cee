"""A wallet's transactions over a node in memory: refusals, crashes, doubts, forks."""

from __future__ import annotations

import asyncio

import pytest
from wallet_world import CALL, SEND, STRANGER, WALLET, blocks, ended, mined, sending, versions

from memory_node import Hurry, MemoryLink, RpcError, linked
from poolhand.chain.errors import BalanceTooLow
from poolhand.chain.keeper import REPEAT
from poolhand.domain.errors import ChainUnreachable, OutOfGas
from poolhand.domain.onchain import (
    TransferCoin,
    Withdraw,
)
from poolhand.domain.units import NanoRlc, Wei
from poolhand.store.errors import JournalFull

# ----------------------------------------------------------------------------------------- refusals


async def test_a_poor_wallet_is_told_what_to_add(node, link, journal):
    node.chain.drain(WALLET.address)
    async with linked(link) as chain:
        with pytest.raises(OutOfGas, match="send it at least") as caught:
            await ended(sending(chain, journal))
        missing = float(str(caught.value).split("at least ")[1].split(" ")[0])
        node.chain.fund(WALLET.address, coin=Wei(round(missing * 10**18) + 10**13))
        assert (await ended(sending(chain, journal))).succeeded
        dear = TransferCoin(STRANGER, Wei(10**18))
        with pytest.raises(OutOfGas):
            await ended(sending(chain, journal, "coin:1", dear))


async def test_what_is_kept_back_is_not_spent(node, link, journal):
    async with linked(link) as chain:
        sender = chain.sender(WALLET, journal)
        held = node.chain.state.coin_of(WALLET.address)
        with pytest.raises(OutOfGas, match="and keep"):
            await ended(asyncio.create_task(sender.send("deposit:1", CALL, Wei(held))))
        assert node.taken == []
        receipt = await ended(asyncio.create_task(sender.send("deposit:1", CALL, Wei(held // 2))))
        assert receipt.succeeded


async def test_a_refusal_of_the_contract_costs_nothing(node, link, journal):
    async with linked(link) as chain:
        with pytest.raises(BalanceTooLow):
            await ended(sending(chain, journal, "withdraw:1", Withdraw(NanoRlc(1))))
    assert (node.taken, list(journal.read())) == ([], [])


async def test_a_purpose_that_failed_on_chain_is_explained_and_may_be_sent_anew(
    node, link, journal
):
    async with linked(link) as chain:
        await ended(sending(chain, journal))
        node.automine = False
        tasks = []
        for number in (1, 2):
            call = Withdraw(NanoRlc(7))
            tasks.append(sending(chain, journal, f"withdraw:{number}", call))
            await ended(node.pooled(number))
        node.mine()
        await ended(tasks[0])
        with pytest.raises(BalanceTooLow) as caught:
            await ended(tasks[1])
        assert caught.value.is_mined
        node.automine = True
        await ended(sending(chain, journal, "deposit:2"))
        assert (await ended(sending(chain, journal, "withdraw:2", Withdraw(NanoRlc(7))))).succeeded


async def test_a_full_journal_sends_nothing(node, link, journal):
    async with linked(link) as chain:
        journal.failure = JournalFull("disk")
        with pytest.raises(JournalFull):
            await ended(sending(chain, journal))
        assert node.taken == []
        journal.failure = None
        assert (await ended(sending(chain, journal))).succeeded


@pytest.mark.parametrize("words", ["txpool is full", "max fee per gas less than block base fee"])
async def test_what_has_no_room_yet_is_offered_again(node, link, journal, words):
    refusals = [words]

    def refuse(method, _params):
        if method == SEND and refusals:
            raise RpcError(-32000, refusals.pop())

    node.refuse = refuse
    async with linked(link) as chain:
        task = sending(chain, journal)
        await blocks(chain, node, REPEAT + 1)
        assert (await ended(task)).succeeded
    assert len(node.taken) == len(versions(journal)) == 1


# ------------------------------------------------------------------------------- crashes and doubts


async def test_an_unanswered_broadcast_is_found_again(node, link, journal):
    async with linked(link) as chain:
        link.after = link.breaks(SEND)
        with pytest.raises(ChainUnreachable, match="whether deposit:1 was sent is unknown"):
            await ended(sending(chain, journal))
        link.after = lambda _methods: None
        assert (await ended(sending(chain, journal))).succeeded
    assert len(node.taken) == 1


async def test_a_refusal_after_a_lost_answer_proves_nothing(node, link, journal):
    """The first endpoint may have it, whatever the second says of the wallet's funds."""
    other = MemoryLink(node, "memory://other")
    async with linked(link, other) as chain:
        link.after = link.breaks(SEND)

        def refuse(method, _params):
            if method == SEND and node.taken:
                raise RpcError(-32000, "insufficient funds for gas * price + value")

        node.refuse, node.automine = refuse, False
        with pytest.raises(ChainUnreachable):
            await ended(sending(chain, journal))
        assert len(versions(journal)) == 1, "not forgotten"
        node.refuse, link.after = lambda *_: None, lambda _methods: None
        node.automine = True
        node.mine()
        assert (await ended(sending(chain, journal))).succeeded
    assert len(node.taken) == 1


async def test_a_busy_endpoint_is_waited_for_before_a_broadcast_is_given_up(node, link, journal):
    pace, refusals = Hurry(), [1, 1]

    def refuse(method, _params):
        if method == SEND and refusals:
            refusals.pop()
            raise RpcError(-32005, "too many requests, retry in 2s")

    node.refuse = refuse
    async with linked(link, pace=pace) as chain:
        assert (await ended(sending(chain, journal))).succeeded
    assert pace.waits[:2] == [2.0, 2.0]


@pytest.mark.parametrize("was_sent", [False, True])
async def test_what_was_signed_before_a_crash_is_sent_as_it_was(node, link, journal, was_sent):
    node.automine = False
    async with linked(link) as chain:
        setattr(link, "after" if was_sent else "before", link.breaks(SEND))
        with pytest.raises(ChainUnreachable):
            await ended(sending(chain, journal))
    assert len(node.taken) == was_sent
    (signed,) = versions(journal)
    node.automine = True
    async with linked(MemoryLink(node)) as chain:
        if was_sent:
            node.mine()
        receipt = await ended(sending(chain, journal.reopened()))
    assert receipt.tx_hash == signed.tx_hash
    assert {tx.raw for tx in node.taken} == {signed.raw}


async def test_a_transaction_that_the_node_forgot_is_broadcast_again(node, link, journal):
    node.automine = False
    async with linked(link) as chain:
        task = sending(chain, journal)
        await ended(node.pooled(1))
        node.drop()
        await blocks(chain, node, REPEAT)
        await ended(node.pooled(1))
        node.mine()
        assert (await ended(task)).succeeded
    assert len(versions(journal)) == 1


# -------------------------------------------------------------------------------------------- forks


async def test_what_a_reorganisation_took_back_is_sent_again(node, link, journal):
    async with linked(link) as chain:
        receipt = await ended(sending(chain, journal))
        node.reorg(1, forget=True)
        assert node.sent_by(WALLET.address) == 0
        await mined(node, 1)
        await blocks(chain, node, 1)
        again = await ended(sending(chain, journal))
        assert again.tx_hash == receipt.tx_hash
        assert again.block > receipt.block
    assert {tx.raw for tx in node.taken} == {node.taken[0].raw}


async def test_a_receipt_waits_for_its_confirmations(node, link, journal):
    async with linked(link, confirmations=3) as chain:
        task = sending(chain, journal)
        await mined(node, 1)
        await blocks(chain, node, 1)
        assert not task.done()
        await blocks(chain, node, 1)
        receipt = await ended(task)
        assert node.chain.head.number == receipt.block + 2
