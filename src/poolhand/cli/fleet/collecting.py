"""Rewards of a fleet back to one address: told first, resumed where it was cut off.

The wallet of a worker that runs is the worker's: its signer signs no payment, whoever asks
(docs/adr/0080), and what it holds may need the stake. So only workers that have ended and owe
nothing are collected from, each by its own wallet. Where it is wanted, those that run end for that
moment, one after the other: each finishes what it holds, is collected from, and is started again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.confirming import confirm
from poolhand.cli.fleet.folder import FleetFolder, FleetMember
from poolhand.cli.fleet.funding import holdings
from poolhand.cli.fleet.launch import FleetLauncher
from poolhand.cli.fleet.orders import drain_all, resume_all
from poolhand.cli.fleet.rows import member_page
from poolhand.cli.join_uninstall import WorkerOwes, WorkerUnanswering, check_stopped
from poolhand.cli.sending import check_no_contract
from poolhand.domain.errors import PoolhandError, Refused, Unavailable
from poolhand.domain.fleet_money import (
    FleetWish,
    PaymentCall,
    PaymentRound,
    WalletHolds,
    collection,
    gas_of,
    is_worth_an_end,
    round_of,
)
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Receipt
from poolhand.domain.units import NanoRlc, Wei, show_coin, show_rlc
from poolhand.keys.lock import held_by
from poolhand.keys.named import read_password

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun
    from poolhand.requester.requester import Requester


class WorkerNotOver(Refused):
    """A worker still needs its wallet."""


class CollectionToWorker(Refused):
    """What is collected would go to a worker's own wallet."""

    def __init__(self, to: Address, worker: str) -> None:
        super().__init__(
            f"wallet {to} is that of worker {worker}, from which each collection would take it "
            "again: name another address (--to)"
        )


class CollectionToAnother(Refused):
    """Payments of an earlier collection to another address are under way."""

    def __init__(self, wallet: Address, to: Address) -> None:
        super().__init__(
            f"payments of wallet {wallet} to {to} were begun and not finished: give the same "
            f"command with --to {to} first"
        )


class GasForCollectionMissing(Refused):
    """A wallet has RLC to send, and cannot pay for sending it."""

    def __init__(self, has: WalletHolds, rlc: NanoRlc, gas: Wei) -> None:
        super().__init__(
            f"wallet {has.wallet} has {show_rlc(rlc)} RLC to send and {show_coin(has.coin)} coins, "
            f"and gas may cost {show_coin(gas)}: send it at least "
            f"{show_coin(Wei(gas - has.coin))} coins, and give the same command again"
        )


_FREE_GAS: Final = Means(Wei(0), Wei(0), Wei(0))
"""By which is planned what would go if gas cost nothing."""
_PAUSE_BETWEEN_END_LOOKS: Final = 0.5
"""Seconds between two looks at a worker that finishes."""
_RESUMED: Final = (
    "its operator has resumed it meanwhile: give the same command again once it may finish"
)
_ELSEWHERE: Final = (
    "it works on another machine, and what it holds is not seen from here: stop it there "
    "(`poolhand worker stop`), and say --elsewhere-stopped"
)


@dataclass(frozen=True, slots=True)
class CollectTerms:
    """What goes where.

    Attributes:
        to: Who gets it.
        keep: What stays in each wallet.
        yes: It was said beforehand that all is meant.
        elsewhere: It was said that workers on other machines are stopped and hold nothing.
        running: Whether those that run here are to finish, and to start again afterwards.
    """

    to: Address
    keep: FleetWish
    yes: bool
    elsewhere: bool = False
    running: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """What came from one worker's wallet (nRLC, wei); ``trouble`` is empty where it is all."""

    member: FleetMember
    rlc: NanoRlc = NanoRlc(0)
    coin: Wei = Wei(0)
    transactions: int = 0
    trouble: str = ""

    def members(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "name": self.member.name,
            "wallet": self.member.address,
            "rlc_nrlc": self.rlc,
            "coin_wei": self.coin,
            "transactions": self.transactions,
            "trouble": self.trouble or None,
        }


async def collect(
    command: CommandRun,
    folder: FleetFolder,
    members: Sequence[FleetMember],
    terms: CollectTerms,
    launcher: FleetLauncher,
) -> list[Collected]:
    """Send what wallets have beyond what is kept to one address.

    Args:
        command: On the fleet's chain; its own wallet is not used.
        folder: Of the fleet.
        members: From whom.
        terms: What goes where.
        launcher: Starts those again that have finished for it.

    Raises:
        WrongRecipient, CollectionToWorker, ConfirmationMissing: Nothing was sent.
    """
    for each in members:
        if each.wallet == terms.to:
            raise CollectionToWorker(terms.to, each.name)
    async with command.requester() as requester:
        check_no_contract(terms.to, requester.hub.facts)
        has = await holdings(requester.hub, [each.wallet for each in members])
        is_native = requester.hub.facts.rlc is None
    locks = Path(command.found["locks"])
    working = [each for each in members if terms.running and _is_to_run_on(folder, each)]
    others = [each for each in members if each not in working]
    skipped = {each: why for each in others if (why := hindrance(folder, each, locks))}
    if not terms.elsewhere:
        skipped |= {each: _ELSEWHERE for each in members if not each.is_here}
    asked = [each for each in members if each not in skipped]
    planned = {
        each: collection(has[each.wallet], terms.keep, terms.to, _FREE_GAS, is_native=is_native)
        for each in asked
    }
    for each, why in skipped.items():
        command.note(f"{each.name} is left out: {why}")
    asked = [
        each
        for each in asked
        if (
            folder.is_collecting(each) or is_worth_an_end(planned[each], terms.keep)
            if each in working
            else planned[each] or _journal_there(folder, each)
        )
    ]
    if not asked:
        return [Collected(each, trouble=skipped.get(each, "")) for each in members]
    _ask(command, [planned[each] for each in asked], terms)
    found = {each: Collected(each, trouble=skipped.get(each, "")) for each in members}
    for each in asked:
        if each in working:
            found[each] = await _between(command, folder, each, terms, launcher)
        else:
            found[each] = await _collect_from(command, folder, each, terms)
    return list(found.values())


def _is_to_run_on(folder: FleetFolder, member: FleetMember) -> bool:
    """Whether a worker is to run after a collection: it does, or did until one was cut off."""
    if not member.is_here:
        return False
    return folder.is_collecting(member) or member_page(folder, member) is not None


async def _between(
    command: CommandRun,
    folder: FleetFolder,
    member: FleetMember,
    terms: CollectTerms,
    launcher: FleetLauncher,
) -> Collected:
    """Have a worker finish, collect from it, and start it again, whatever becomes of that.

    One that its operator has told to finish and end stays ended. That it is to start again is
    remembered, so that the same command goes on where this one is killed.
    """
    if not folder.is_stopped(member):
        folder.mark_collecting(member)
    command.note(f"{member.name} finishes what it holds")
    try:
        (told,) = drain_all(folder, [member], collecting=folder.is_collecting(member))
        if told.trouble:
            return Collected(member, trouble=told.trouble)
        while member_page(folder, member) is not None:
            if not folder.is_stopped(member):
                return Collected(member, trouble=_RESUMED)
            await asyncio.sleep(_PAUSE_BETWEEN_END_LOOKS)
        if why := hindrance(folder, member, Path(command.found["locks"])):
            return Collected(member, trouble=why)
        return await _collect_from(command, folder, member, terms)
    finally:
        if folder.is_collecting(member):
            resume_all(folder, [member], launcher)


def _ask(command: CommandRun, due: Sequence[PaymentRound], terms: CollectTerms) -> None:
    rlc = NanoRlc(sum(each.rlc_paid for each in due))
    coin = Wei(sum(each.coin_paid for each in due))
    what = (
        f"send {show_rlc(rlc)} RLC and {show_coin(coin)} coins, less gas, of {len(due)} wallets "
        f"to {terms.to}; in each stay {show_rlc(terms.keep.stake)} RLC of stake and "
        f"{show_coin(terms.keep.coin)} coins"
    )
    if terms.yes:
        command.note(what)
    confirm(what, yes=terms.yes)


def hindrance(folder: FleetFolder, member: FleetMember, locks: Path) -> str:
    """Say why a worker of this machine still needs its wallet; empty where it does not.

    Args:
        folder: Of the fleet.
        member: Which worker.
        locks: Where locks of wallets lie.
    """
    if not member.is_here:
        return ""
    if member_page(folder, member) is not None:
        return (
            "it runs, and its wallet is its own: `poolhand fleet stop`, then give this command "
            "again, or collect with --running"
        )
    if (held := held_by(locks, member.wallet)) is not None:
        return f"process {held.holder} holds wallet {held.address}: stop it first"
    try:
        check_stopped(folder.member(member), locks, "POOL_URL")
    except WorkerOwes:
        return (
            "its journal tells of tasks that are not over, which may need the stake: "
            "`poolhand fleet resume`, and give this command again once it has finished"
        )
    except WorkerUnanswering as fault:
        return str(fault)
    return ""


def check_over(folder: FleetFolder, member: FleetMember, locks: Path) -> None:
    """Check that a worker may be taken out; raises WorkerNotOver, which says why not."""
    if why := hindrance(folder, member, locks):
        raise WorkerNotOver(f"{member.name} cannot be taken out yet: {why}")


def _journal_there(folder: FleetFolder, member: FleetMember) -> bool:
    """Whether payments of an earlier run may be under way."""
    return any(folder.payments.glob(f"*/{member.address}.journal"))


async def _collect_from(
    command: CommandRun, folder: FleetFolder, member: FleetMember, terms: CollectTerms
) -> Collected:
    """Finish what was begun, look, and send the rest of one wallet."""
    wallet = str(folder.keystore(member)), read_password(folder.password)
    paid = Collected(member)

    def mined(call: PaymentCall, _: Receipt) -> None:
        nonlocal paid
        once = round_of([call])
        paid = replace(
            paid,
            rlc=NanoRlc(paid.rlc + once.rlc_paid),
            coin=Wei(paid.coin + once.coin_paid),
            transactions=paid.transactions + 1,
        )

    try:
        async with command.requester(wallet=wallet) as requester:
            await _send(requester, terms, mined)
    except PoolhandError as fault:
        again = "; the same command goes on" if isinstance(fault, Unavailable) else ""
        return replace(paid, trouble=f"{fault}{again}")
    if paid.transactions:
        command.note(
            f"{member.name}: {show_rlc(paid.rlc)} RLC and {show_coin(paid.coin)} coins sent"
        )
    return paid


async def _send(
    requester: Requester, terms: CollectTerms, mined: Callable[[PaymentCall, Receipt], None]
) -> None:
    who, is_native = requester.wallet.address, requester.hub.facts.rlc is None
    async with requester.wallet.open() as spending:
        begun = spending.rounds.begun(_WHOSE)
        for other in begun.recipients - {terms.to} if begun else ():
            raise CollectionToAnother(who, other)
        await spending.rounds.finish(_WHOSE, mined)
        has = (await holdings(spending.hub, [who]))[who]
        means = await spending.sender.means()
        due = collection(has, terms.keep, terms.to, means, is_native=is_native)
        wanted = collection(has, terms.keep, terms.to, _FREE_GAS, is_native=is_native)
        if wanted.rlc_paid and not due:
            gas = gas_of(PaymentRound(wanted.back, wanted.rlc), means)
            raise GasForCollectionMissing(has, wanted.rlc_paid, gas)
        if due:
            spending.rounds.begin(_WHOSE, due, secrets.token_bytes(8))
            await spending.rounds.finish(_WHOSE, mined)


_WHOSE = "collect"
