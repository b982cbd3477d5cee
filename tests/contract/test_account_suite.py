"""Accounts and means, as the fake chain and the real contracts tell them alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hub_world import RLC

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import BlockHash
from poolhand.domain.onchain import Deposit
from poolhand.domain.units import NanoRlc


async def test_an_account_is_told_as_it_was_at_a_block(world):
    wallet = world.workers[0]
    await world.send(wallet, Deposit(NanoRlc(RLC)))
    before, (had, _) = await world.hub.head(), await world.stake(wallet)
    await world.send(wallet, Deposit(NanoRlc(3 * RLC)))
    after = await world.hub.head()
    stakes = [
        (await world.hub.accounts([wallet.address], at=at))[wallet.address].stake
        for at in (before, after, None)
    ]
    assert stakes == [had, had + 3 * RLC, had + 3 * RLC]


async def test_a_block_that_the_endpoint_does_not_have_is_no_answer(world):
    unknown = replace(await world.hub.head(), block_hash=BlockHash(b"\x01" * 32))
    with pytest.raises(ChainUnreachable):
        await world.hub.accounts([world.workers[0].address], at=unknown)


async def test_means_tell_the_coin_and_never_more_than_the_cap(world):
    wallet = world.workers[0]
    means = await world.sender(wallet).means()
    coin = (await world.hub.coin_balances([wallet.address]))[wallet.address]
    assert means.balance == coin
    assert 0 <= means.price <= means.cap
