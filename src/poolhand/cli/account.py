"""``poolhand account``: stake in the hub, where it is locked, RLC outside it, coin for gas."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.funding import WalletWithoutRlc, where_from
from poolhand.cli.parts import AmountArgument, amount_of
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.errors import NothingToDeposit, NothingToMove
from poolhand.domain.ids import Address
from poolhand.domain.units import show_rlc

if TYPE_CHECKING:
    from poolhand.domain.onchain import Receipt
    from poolhand.domain.units import NanoRlc
    from poolhand.requester.balances import Balances


app = noun("Look at a stake and at what locks it, deposit RLC, withdraw it, claim it back.")

AccountArgument = Annotated[
    str, typer.Argument(metavar="[ADDRESS]", help="Whose account; the wallet's if left out.")
]
DepositBlocksOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="How far back to search for deals.")
]
DEPOSITS_LOOKBACK = 100_000


@verb(app, "show", example="poolhand account show")
async def show(command: CommandRun, owner: AccountArgument = "") -> Answer:
    """Show free and locked stake, RLC outside the hub, and coin."""
    who = Address.parse(owner) if owner else command.address
    async with command.requester() as requester:
        return _answer(await requester.balances(who))


@verb(app, "stakes", example="poolhand account stakes")
async def stakes(
    command: CommandRun,
    owner: AccountArgument = "",
    blocks: DepositBlocksOption = DEPOSITS_LOOKBACK,
) -> Answer:
    """Show what is locked: for each task how much, why, and when it comes free."""
    from poolhand.cli.stakes import stakes_members, stakes_report

    who = Address.parse(owner) if owner else command.address
    async with command.requester() as requester:
        found = await requester.stakes(who, blocks)
    return Answer(stakes_members(found), lambda: stakes_report(found))


@verb(app, "claim", example="poolhand account claim")
async def claim(command: CommandRun, blocks: DepositBlocksOption = DEPOSITS_LOOKBACK) -> Answer:
    """Claim every task past its final deadline that owes this wallet something back.

    That is the price of what it bought, and the stake of what it contributed.
    """
    from poolhand.cli.claiming import claim_members, claim_report

    async with command.requester(signing=True) as requester:
        claimed = await requester.claim_all(blocks)
    return Answer(claim_members(claimed), lambda: claim_report(claimed))


@verb(app, "deposit", example="poolhand account deposit 25")
async def deposit(command: CommandRun, amount: AmountArgument) -> Answer:
    """Turn RLC into stake, which purchases, contributions and sales of a pool lock.

    Where a running pool or worker of yours holds the wallet, that one is asked to deposit.
    """
    from poolhand.cli.held_wallet import deposit_through
    from poolhand.keys.errors import WalletInUse

    wanted = amount_of(amount)
    if not wanted:
        raise NothingToDeposit
    async with command.requester(signing=True) as requester:
        has = await requester.balances()
        if has.rlc < wanted:
            chain = requester.hub.facts.chain_id
            source = where_from(chain, has.owner, command.rpc_urls)
            raise WalletWithoutRlc(has.owner, has.rlc, wanted, source)
        try:
            receipt = await requester.deposit(wanted)
        except WalletInUse as held:
            receipt = await asyncio.to_thread(deposit_through, held, wanted)
        return _answer(await requester.balances(), receipt)


@verb(app, "withdraw", example="poolhand account withdraw 1.5")
async def withdraw(command: CommandRun, amount: AmountArgument) -> Answer:
    """Turn free stake back into RLC."""
    from poolhand.chain.errors import BalanceTooLow

    wanted = amount_of(amount)
    if not wanted:
        raise NothingToMove
    async with command.requester(signing=True) as requester:
        has = await requester.balances()
        if has.account.stake < wanted:
            raise BalanceTooLow(_not_free(has, wanted))
        receipt = await requester.withdraw(wanted)
        return _answer(await requester.balances(), receipt)


def _not_free(has: Balances, wanted: NanoRlc) -> str:
    """Say that more is to be withdrawn than is free, and why."""
    free, locked = has.account.stake, has.account.locked
    instead = f"withdraw {show_rlc(free)} RLC or less" if free else "there is nothing to withdraw"
    stakes = f"; {show_rlc(locked)} RLC are locked (`poolhand account stakes`)"
    return (
        f"account {has.owner} has {show_rlc(free)} RLC of free stake and not "
        f"{show_rlc(wanted)}: {instead}{stakes if locked else ''}"
    )


def _answer(balances: Balances, receipt: Receipt | None = None) -> Answer:
    from poolhand.cli.render import coin, pairs, receipt_members, receipt_row, rlc

    account = balances.account
    members: dict[str, Any] = {
        "address": str(balances.owner),
        "stake_nrlc": account.stake,
        "locked_nrlc": account.locked,
        "rlc_nrlc": balances.rlc,
        "coin_wei": balances.coin,
        "transaction": receipt_members(receipt),
    }
    rows = (
        ("address", balances.owner),
        ("free stake", rlc(account.stake)),
        ("locked stake", rlc(account.locked)),
        ("outside the hub", rlc(balances.rlc)),
        ("coin for gas", coin(balances.coin)),
        ("transaction", receipt_row(receipt)),
    )
    return Answer(members, lambda: pairs(rows))
