"""A wallet's transactions over a node in memory: nonces, fees, crashes, doubts, forks."""

from __future__ import annotations

import asyncio

import pytest
from hub_world import Market, World

from memory_node import Hurry, MemoryLink, MemoryNode, RpcError, linked
from poolhand.chain.errors import BalanceTooLow, Displaced, SendRefused
from poolhand.chain.keeper import REPEAT, REPLACE
from poolhand.chain.ledger import CODEC, PREFIX
from poolhand.domain.errors import ChainUnreachable, OutOfGas
from poolhand.domain.ids import Address
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Deposit,
    Initialize,
    TransferCoin,
    TransferRlc,
    Withdraw,
)
from poolhand.domain.units import Gas, NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.ports.signer import UnsignedTransaction
from poolhand.store.errors import JournalFull
from poolhand.store.memory import MemoryJournal

GWEI = 10**9
CALL = Deposit(NanoRlc(7))
WALLET = Wallet.from_key(bytes([1] * 32))
STRANGER = Address(b"\x55" * 20)
SEND = "eth_sendRawTransaction"


def funded(node):
    node.chain.fund(WALLET.address, rlc=NanoRlc(10**6), coin=Wei(10**18))
    return node


@pytest.fixture
def node():
    return funded(MemoryNode())


@pytest.fixture
def link(node):
    return MemoryLink(node)


@pytest.fixture
def journal():
    return MemoryJournal()


def versions(journal, purpose="deposit:1"):
    return [CODEC.decode(r) for stream, r in journal.read() if stream == PREFIX + purpose]


def nonces(journal):
    return [CODEC.decode(record).nonce for _, record in journal.read(PREFIX)]


def sending(chain, journal, purpose="deposit:1", call=CALL):
    return asyncio.create_task(chain.sender(WALLET, journal).send(purpose, call))


async def blocks(chain, node, count, fee=None):
    """Mine blocks, each of which the chain's watcher has seen before the next."""
    for _ in range(count):
        heads = chain.watcher.heads()
        await anext(heads)
        if fee is not None:
            node.base_fee = fee
        node.mine()
        async with asyncio.timeout(5):
            await anext(heads)
        for _ in range(200):  # what follows a block takes turns of the loop, and no time
            await asyncio.sleep(0)


async def mined(node, count):
    """Wait until so many transactions of the wallet are mined."""
    async with asyncio.timeout(5):
        while node.sent_by(WALLET.address) < count:
            await node.bell.wait()


async def ended(task):
    async with asyncio.timeout(5):
        return await task


# ------------------------------------------------------------------------------ nonces


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


# -------------------------------------------------------------------------------- fees


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


# ---------------------------------------------------------------------------- refusals


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


# -------------------------------------------------------------------- crashes and doubts


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


# --------------------------------------------------------------------------------- forks


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


# ------------------------------------------------------------------------------ snapshots


async def test_a_snapshot_is_of_the_block_that_it_names(node, link):
    """The chain moves on between the request for the head and that for the tasks."""
    wallets = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
    for wallet in wallets:
        node.chain.fund(wallet.address, rlc=NanoRlc(10**13), coin=Wei(10**18))
    journals = {}
    async with linked(link) as chain:

        def sender(wallet):
            return chain.sender(wallet, journals.setdefault(wallet.address, MemoryJournal()))

        world = World(chain.hub, chain.watcher, wallets, sender, None, None)
        deal = await (await Market.open(world)).deal()
        ((index, name),) = deal.tasks()
        head = await chain.hub.head()
        after = chain_after(node, world.owner.address, deal.deal_id, index)
        node.refuse = after
        view = (await chain.hub.tasks({name: ()}))[name]
        assert (view.status, view.block) == (ChainTaskStatus.UNSET, head.number)
        assert view.block_time == head.timestamp
        view = (await chain.hub.tasks({name: ()}))[name]
        assert (view.status, view.block) == (ChainTaskStatus.ACTIVE, head.number + 1)


def chain_after(node, owner, deal_id, index):
    """Initialise a task just before it is read for the first time."""
    done = []

    def meddle(method, _params):
        if method == "eth_call" and not done:
            done.append(1)
            node.chain._nonces[owner] = 10**6  # another program's, nobody's business here
            node.chain.submit(owner, Initialize(((deal_id, index),)))
            node.mine()

    return meddle
