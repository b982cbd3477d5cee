"""Stake for others and RLC to others, told by the fake chain and by the real contracts alike."""

from __future__ import annotations

import pytest
from hub_world import RLC

from poolhand.chain.errors import BalanceTooLow
from poolhand.domain.movements import MovementKind as K
from poolhand.domain.onchain import AllowHub, Deposit, DepositFor, WithdrawTo
from poolhand.domain.units import BlockNumber, NanoRlc


async def test_one_wallet_stakes_for_all_in_two_transactions(world):
    payer, workers = world.requester, [each.address for each in world.workers]
    before = await world.hub.accounts(workers)
    had = (await world.hub.rlc_balances([payer.address]))[payer.address]
    stakes = tuple((who, NanoRlc(n * RLC)) for n, who in enumerate(workers, 1))
    wanted = DepositFor(stakes)
    await world.send(payer, AllowHub(wanted.amount))
    receipt = await world.send(payer, wanted)
    after = await world.hub.accounts(workers)
    assert [after[w].stake - before[w].stake for w in workers] == [each for _, each in stakes]
    left = (await world.hub.rlc_balances([payer.address]))[payer.address]
    assert had - left == wanted.amount
    moved = await world.hub.money_of(workers[0], BlockNumber(receipt.block), receipt.block)
    assert [(each.kind, each.amount) for each in moved] == [(K.DEPOSIT, RLC)]


async def test_what_the_payer_has_not_is_staked_for_nobody(world):
    payer, worker = world.requester, world.workers[0]
    before = await world.stake(worker)
    had = (await world.hub.rlc_balances([payer.address]))[payer.address]
    much = DepositFor(((worker.address, NanoRlc(1)), (worker.address, NanoRlc(had))))
    await world.send(payer, AllowHub(much.amount))
    with pytest.raises(BalanceTooLow):
        await world.send(payer, much)
    assert await world.stake(worker) == before


async def test_free_stake_goes_to_another_wallet_in_one_transaction(world):
    worker, friend = world.workers[0], world.owner.address
    await world.send(worker, Deposit(NanoRlc(5 * RLC)))
    (free, locked), before = await world.stake(worker), await world.hub.rlc_balances([friend])
    receipt = await world.send(worker, WithdrawTo(friend, NanoRlc(free - 1)))
    assert await world.stake(worker) == (1, locked)
    after = await world.hub.rlc_balances([friend])
    assert after[friend] - before[friend] == free - 1
    moved = await world.hub.money_of(worker.address, receipt.block, receipt.block)
    assert [(each.kind, each.amount) for each in moved] == [(K.WITHDRAWAL, free - 1)]
    with pytest.raises(BalanceTooLow):
        await world.send(worker, WithdrawTo(friend, NanoRlc(2)))
