"""Escrow, transfers and registries of the fake hub."""

from __future__ import annotations

from dataclasses import replace

from eth_hash.auto import keccak

from poolhand.chain.errors import AssetExists, BadPolicy, BalanceTooLow, NotOwner
from poolhand.chain.fake.state import State
from poolhand.domain.deal import App, Dataset, Workerpool
from poolhand.domain.ids import Address
from poolhand.domain.onchain import (
    AllowHub,
    ChangePolicy,
    CreateApp,
    CreateAsset,
    CreateDataset,
    CreateWorkerpool,
    Deposit,
    DepositFor,
    TransferCoin,
    TransferRlc,
    Withdraw,
    WithdrawTo,
)
from poolhand.domain.units import NanoRlc, show_coin, show_rlc


def deposit(state: State, sender: Address, call: Deposit) -> None:
    """Turn RLC into free stake."""
    _demand(sender, state.rlc_of(sender), call.amount)
    state.deposit(sender, call.amount)


def withdraw(state: State, sender: Address, call: Withdraw) -> None:
    """Turn free stake into RLC."""
    _demand(sender, state.stake_of(sender), call.amount)
    state.withdraw(sender, call.amount)


def withdraw_to(state: State, sender: Address, call: WithdrawTo) -> None:
    """Turn free stake into RLC of somebody else's."""
    withdraw(state, sender, Withdraw(call.amount))
    state.move(sender, call.to, call.amount)


def allow_hub(state: State, sender: Address, call: AllowHub) -> None:
    """Let the hub take so much RLC, whatever it was let before."""
    state.allowance[sender] = call.amount


def deposit_for(state: State, sender: Address, call: DepositFor) -> None:
    """Turn RLC of the sender into free stake of others, as far as the hub is allowed."""
    _demand(sender, state.rlc_of(sender), call.amount)
    _demand(sender, NanoRlc(state.allowance.get(sender, 0)), call.amount)
    state.allowance[sender] -= call.amount
    for target, amount in call.stakes:
        state.move(sender, target, amount)
        state.deposit(target, amount)


def transfer_rlc(state: State, sender: Address, call: TransferRlc) -> None:
    """Move RLC."""
    _demand(sender, state.rlc_of(sender), call.amount)
    state.move(sender, call.to, call.amount)


def transfer_coin(state: State, sender: Address, call: TransferCoin) -> None:
    """Move the chain's coin."""
    if state.coin_of(sender) < call.amount:
        raise BalanceTooLow(f"{sender} has {show_coin(state.coin_of(sender))} coins: send it more")
    state.add_coin(sender, -call.amount)
    state.add_coin(call.to, call.amount)


def change_policy(state: State, sender: Address, call: ChangePolicy) -> None:
    """Change a workerpool's stakes and shares for deals to come."""
    pool = state.pools.get(call.workerpool)
    if pool is None or pool.owner != sender:
        raise NotOwner(f"workerpool {call.workerpool} is not {sender}'s")
    if call.scheduler_percent > 100:
        raise BadPolicy(f"a scheduler cannot keep {call.scheduler_percent} % of the price")
    state.pools[call.workerpool] = replace(
        pool,
        worker_stake_percent=call.worker_stake_percent,
        scheduler_percent=call.scheduler_percent,
    )


def predict(call: CreateAsset) -> Address:
    """Return the address that an asset has or would have."""
    return Address(keccak(f"fake registry:{call!r}".encode())[12:])


def create(state: State, call: CreateAsset) -> Address:
    """Register an asset; the same asset of the same owner has the same address."""
    address = predict(call)
    if address in state.apps or address in state.datasets or address in state.pools:
        raise AssetExists(f"{address} is exactly this asset of {call.owner}: use it")
    match call:
        case CreateApp(owner, name, multiaddr, checksum):
            state.apps[address] = App(address, owner, name, "DOCKER", multiaddr, checksum, b"")
        case CreateDataset(owner, name, multiaddr, checksum):
            state.datasets[address] = Dataset(address, owner, name, multiaddr, checksum)
        case CreateWorkerpool(owner, description):
            state.pools[address] = Workerpool(address, owner, description, 30, 1)
    return address


def _demand(sender: Address, balance: NanoRlc, amount: NanoRlc) -> None:
    if balance < amount:
        raise BalanceTooLow(f"{sender} has {show_rlc(balance)} RLC of {show_rlc(amount)} wanted")
