"""The fake chain's faults: what a program sees of them through its ports."""

from __future__ import annotations

import asyncio

import pytest

from poolhand.chain.fake import FakeChain
from poolhand.domain.errors import ChainUnreachable, OutOfGas
from poolhand.domain.ids import Address
from poolhand.domain.onchain import TransferRlc
from poolhand.domain.units import NanoRlc, Wei

ANN, BOB = Address(b"\x01" * 20), Address(b"\x02" * 20)
GAS = 300_000


@pytest.fixture
def chain():
    made = FakeChain(automine=False)
    made.fund(ANN, rlc=NanoRlc(1000), coin=Wei(10 * GAS))
    return made


def pays(amount):
    return TransferRlc(BOB, NanoRlc(amount))


async def sending(reach, purpose, amount):
    """Begin to send, and return what waits for the receipt."""
    waiting = asyncio.create_task(reach.sender(ANN).send(purpose, pays(amount)))
    await asyncio.sleep(0)
    return waiting


async def held_by_bob(reach):
    return (await reach.hub.rlc_balances([BOB]))[BOB]


async def test_a_node_that_lags_shows_an_older_block_and_judges_by_it(chain):
    late, fresh = chain.reach(), chain.reach()
    late.lag = 2
    chain.submit(ANN, pays(900))
    chain.mine()
    assert await held_by_bob(fresh) == 900
    assert await held_by_bob(late) == 0
    assert (await late.hub.head()).number == 0
    assert (await anext(late.watcher.heads())).number == 1
    sent = await sending(late, "too much, as a fresh node knows", 900)
    chain.mine(blocks=2)
    assert await held_by_bob(late) == 900
    with pytest.raises(Exception, match="of"):
        await sent
    chain.lag = 3
    assert await held_by_bob(fresh) == 0


async def test_an_outage_of_one_program_is_nobody_elses(chain):
    mine, yours = chain.reach(), chain.reach()
    mine.outage = True
    with pytest.raises(ChainUnreachable):
        await mine.hub.head()
    with pytest.raises(ChainUnreachable):
        await mine.sender(ANN).send("pay", pays(1))
    assert (await yours.hub.head()).number == 0
    chain.outage, mine.outage = True, False
    for each in (mine, yours):
        with pytest.raises(ChainUnreachable):
            await each.hub.head()


async def test_a_receipt_is_not_heard_of_during_an_outage(chain):
    reach = chain.reach()
    sent = await sending(reach, "pay", 1)
    reach.outage = True
    chain.mine()
    await asyncio.sleep(0)
    assert not sent.done()
    reach.outage = False
    chain.mine()
    assert (await sent).block == 1


async def test_a_dropped_transaction_is_sent_again_by_whoever_looks_after_it(chain):
    sent = await sending(chain.reach(), "pay", 1)
    chain.drop(BOB)
    assert len(chain.pool) == 1
    chain.drop(ANN)
    assert not chain.pool
    chain.mine()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    chain.mine()
    assert (await sent).block == 2
    assert await held_by_bob(chain.reach()) == 1


@pytest.mark.parametrize("looked_after", [True, False])
async def test_what_a_reorganisation_lost_is_sent_again_only_while_its_program_lives(
    chain, looked_after
):
    sent = await sending(chain.reach(), "pay", 1)
    chain.mine()
    await sent
    keeping = asyncio.create_task(chain.reach().sender(ANN).keep()) if looked_after else None
    await asyncio.sleep(0)
    chain.reorg(1, forget=True)
    for _ in range(3):
        await asyncio.sleep(0)
    chain.mine()
    assert await held_by_bob(chain.reach()) == (1 if looked_after else 0)
    if keeping:
        keeping.cancel()


async def test_an_empty_wallet_is_refused_and_what_it_has_in_the_pool_waits_for_coin(chain):
    reach = chain.reach()
    chain.gas_price = Wei(1)
    sent = await sending(reach, "pay", 1)
    chain.drain(ANN)
    chain.mine()
    await asyncio.sleep(0)
    assert not sent.done()
    with pytest.raises(OutOfGas, match="send it"):
        await reach.sender(ANN).send("pay more", pays(2))
    chain.fund(ANN, coin=Wei(GAS))
    chain.mine()
    assert (await sent).block == 2
    assert chain.state.coin_of(ANN) == 0


async def test_a_hundredfold_price_of_gas_empties_a_wallet_that_was_full(chain):
    chain.gas_price = Wei(1)
    chain.fund(ANN, coin=Wei(GAS))
    chain.gas_price = Wei(100)
    with pytest.raises(OutOfGas):
        await chain.reach().sender(ANN).send("pay", pays(1))
    chain.gas_price = Wei(1)
    sent = await sending(chain.reach(), "pay", 1)
    chain.mine()
    assert (await sent).gas_price == 1


def mined_each_ten_seconds(chain, amounts):
    for amount in amounts:
        chain.submit(ANN, pays(amount))
        chain.mine(10)


@pytest.mark.parametrize("depth", range(1, 6))
def test_a_reorganisation_keeps_the_times_and_orders_of_what_it_replaces(chain, depth):
    mined_each_ten_seconds(chain, [1, 2, 3, 4, 5])
    before, times = chain.head, [block.head.timestamp for block in chain.blocks()]
    chain.reorg(depth, include=True)
    assert chain.head.number == before.number + 1
    assert chain.head.block_hash != before.block_hash
    assert [block.head.timestamp for block in chain.blocks()] == [*times, times[-1] + 1]
    first = tuple(chain.blocks())[6 - depth]
    assert [mined.sent.call.amount for mined in first.mined] == list(range(6 - depth, 6))
    assert chain.state.rlc_of(BOB) == 15


def test_transactions_change_places_but_not_those_of_one_sender(chain):
    chain.fund(BOB, rlc=NanoRlc(1000))
    for amount in range(1, 5):
        chain.submit(ANN, pays(amount))
        chain.submit(BOB, TransferRlc(ANN, NanoRlc(amount)))
    chain.mine()
    before = [mined.sent for mined in chain.mined()]
    orders = set()
    for seed in range(5):
        chain.reorg(chain.head.number, include=True, mix=seed)
        after = [mined.sent for mined in chain.mined()]
        for who in (ANN, BOB):
            assert [s.nonce for s in after if s.sender == who] == [0, 1, 2, 3]
        assert set(after) == set(before)
        orders.add(tuple(after))
    assert len(orders) > 3


def test_what_a_reorganisation_took_back_waits_or_is_lost_as_asked(chain):
    mined_each_ten_seconds(chain, [1, 2])
    first, second = chain.mined()
    chain.reorg(1)
    assert chain.outcome(second.sent) is None
    assert chain.outcome(first.sent) == first
    assert chain.pool == [second.sent]
    chain.mine()
    assert chain.state.rlc_of(BOB) == 3
    chain.reorg(3, forget=True)
    assert not chain.pool
    assert chain.state.rlc_of(BOB) == 1
