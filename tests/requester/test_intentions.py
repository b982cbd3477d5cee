"""What was asked for once is paid once, also where nobody could tell how it ended."""

from __future__ import annotations

import pytest

from poolhand.domain.errors import ChainUnreachable, PoolhandError, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import TransferRlc
from poolhand.domain.units import NANO_PER_RLC, NanoRlc

FRIEND = Address(bytes([7] * 20))
PAYMENT = TransferRlc(FRIEND, NanoRlc(2 * NANO_PER_RLC))


async def received(market):
    return (await market.chain.hub.rlc_balances([FRIEND]))[FRIEND] // NANO_PER_RLC


@pytest.fixture
def lost(market):
    """Let the answer of what is sent be lost, once it is in the pool, until told otherwise."""

    def silence(_sender, purpose, _call):
        raise ChainUnreachable(f"whether {purpose} was sent is unknown")

    market.chain.after_send = silence
    yield market
    market.chain.after_send = None


async def test_a_payment_whose_answer_was_lost_is_finished_and_not_paid_twice(lost):
    with pytest.raises(ChainUnreachable):
        await lost.requester().pay(PAYMENT)
    lost.chain.after_send = None
    assert (await lost.requester().pay(PAYMENT)).succeeded
    assert await received(lost) == 2


async def test_a_payment_that_ended_is_another_the_next_time(market):
    first = await market.requester().pay(PAYMENT)
    second = await market.requester().pay(PAYMENT)
    assert first.tx_hash != second.tx_hash
    assert await received(market) == 4


async def test_what_was_refused_is_not_remembered(market):
    much = TransferRlc(FRIEND, NanoRlc(10**6 * NANO_PER_RLC))
    with pytest.raises(PoolhandError) as refused:
        await market.requester().pay(much)
    assert not isinstance(refused.value, Unavailable)
    async with market.requester().wallet.open() as spending:
        assert not list(spending.intentions.journal.read())


async def test_another_payment_does_not_wait_for_one_that_is_in_doubt(lost):
    with pytest.raises(ChainUnreachable):
        await lost.requester().pay(PAYMENT)
    lost.chain.after_send = None
    await lost.requester().pay(TransferRlc(FRIEND, NanoRlc(3 * NANO_PER_RLC)))
    assert await received(lost) == 5
