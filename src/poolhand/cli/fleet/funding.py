"""Money for a fleet from one wallet: told before anything is sent, resumed where it was cut."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from poolhand.cli.confirming import confirm
from poolhand.cli.fleet.folder import Fleet, FleetFolder
from poolhand.cli.funding import where_from
from poolhand.domain.errors import PoolhandError, Refused
from poolhand.domain.fleet_money import (
    FleetWish,
    LackingFunds,
    PaymentCall,
    PaymentRound,
    WalletHolds,
    funding,
    gas_of,
    lacking,
    round_of,
)
from poolhand.domain.joining import wished_coin
from poolhand.domain.onchain import AllowHub, DepositFor, Receipt, TransferCoin
from poolhand.domain.units import NanoRlc, Wei, show_coin, show_rlc
from poolhand.requester.payment_rounds import is_refusal

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun
    from poolhand.domain.ids import Address
    from poolhand.ports.chain import Hub
    from poolhand.requester.requester import Requester
    from poolhand.requester.spending_wallet import OpenWallet


class OtherPayer(Refused):
    """Payments of another wallet for this fleet are under way."""

    def __init__(self, payer: str) -> None:
        super().__init__(
            f"payments of wallet {payer} for this fleet were begun and not finished: give the same "
            f"command with --wallet {payer} first, or others would be paid twice"
        )


class PayerIsWorker(Refused):
    """The wallet that is to pay is a worker's of the same fleet."""

    def __init__(self, payer: Address, worker: str) -> None:
        super().__init__(
            f"wallet {payer} is that of worker {worker}, which nothing else may use: pay with "
            "another wallet (--wallet), or make the fleet of another phrase"
        )


class PayerLacks(Refused):
    """The wallet that is to pay has too little; nothing was sent."""

    def __init__(self, payer: Address, lack: LackingFunds, source: str) -> None:
        parts = []
        if lack.coin:
            parts.append(f"{show_coin(lack.coin)} of the chain's coin")
        if lack.rlc:
            parts.append(f"{show_rlc(lack.rlc)} RLC outside the hub")
        super().__init__(
            f"wallet {payer} lacks {' and '.join(parts)}; nothing was sent. Where they come from: "
            f"{source}"
        )


@dataclass(frozen=True, slots=True)
class FleetPaid:
    """What was paid: transactions, RLC of stake, coin to wallets; gas at the price that was paid.

    Payments that an earlier run had begun, and this one has finished, are among them.
    """

    transactions: int = 0
    stake: NanoRlc = NanoRlc(0)
    coin: Wei = Wei(0)
    gas: Wei = Wei(0)

    def members(self) -> dict[str, Any]:
        """Return them for programs (nRLC, wei)."""
        return {
            "transactions": self.transactions,
            "stake_nrlc": self.stake,
            "coin_wei": self.coin,
            "gas_wei": self.gas,
        }


async def holdings(hub: Hub, wallets: Sequence[Address]) -> dict[Address, WalletHolds]:
    """Return what wallets have now, all asked for together."""
    accounts = await hub.accounts(wallets)
    rlc, coin = await hub.rlc_balances(wallets), await hub.coin_balances(wallets)
    return {
        each: WalletHolds(each, coin[each], rlc[each], accounts[each].stake, accounts[each].locked)
        for each in wallets
    }


class FleetFunder:
    """Pays for a fleet by one wallet.

    Args:
        command: Its wallet pays.
        folder: Of the fleet.
        stake: What each wallet is to have of stake (nRLC).
        coin: What each is to have of coin (wei); None: gas for ten tasks.
        yes: It was said beforehand that all is meant.
    """

    def __init__(
        self,
        command: CommandRun,
        folder: FleetFolder,
        stake: NanoRlc,
        coin: Wei | None,
        *,
        yes: bool,
    ) -> None:
        self._command, self._folder = command, folder
        self._stake, self._coin, self._yes = stake, coin, yes
        self._paid: list[tuple[PaymentCall, Receipt]] = []

    async def fund(self, fleet: Fleet) -> tuple[Fleet, FleetPaid]:
        """Pay what each wallet of a fleet lacks; return the fleet as it is remembered then.

        Raises:
            PayerIsWorker, OtherPayer, PayerLacks, ConfirmationMissing: Nothing was sent.
            ChainUnreachable: Whether all was mined is unknown; the same again finishes it.
        """
        command = self._command
        async with command.requester(signing=True) as requester:
            payer = requester.wallet.address
            for each in fleet.members:
                if each.wallet == payer:
                    raise PayerIsWorker(payer, each.name)
            if fleet.payer not in ("", str(payer)):
                raise OtherPayer(fleet.payer)
            async with requester.wallet.open() as spending:
                if spending.rounds.begun(self._whose) is not None:
                    command.note("payments were begun: finishing them first")
                fleet = await self._finish(spending, fleet)
                due, fleet = await self._plan(requester, spending, fleet)
                if due:
                    fleet = self._remember(replace(fleet, payer=str(payer)))
                    spending.rounds.begin(self._whose, due, secrets.token_bytes(8))
                    fleet = await self._finish(spending, fleet)
        return fleet, self._funded()

    @property
    def _whose(self) -> str:
        return f"fleet {self._folder.path}"

    async def _finish(self, spending: OpenWallet, fleet: Fleet) -> Fleet:
        """Finish the payments that were begun, if any were."""
        try:
            await spending.rounds.finish(self._whose, self._mined)
        except PoolhandError as fault:
            if is_refusal(fault):
                self._remember(replace(fleet, payer=""))
            raise
        return self._remember(replace(fleet, payer="")) if fleet.payer else fleet

    def _mined(self, call: PaymentCall, receipt: Receipt) -> None:
        self._paid.append((call, receipt))
        if not isinstance(call, AllowHub):
            self._command.note(f"{told_payment(call)} (block {receipt.block})")

    def _remember(self, fleet: Fleet) -> Fleet:
        self._folder.write(fleet)
        return fleet

    async def _plan(
        self, requester: Requester, spending: OpenWallet, fleet: Fleet
    ) -> tuple[PaymentRound, Fleet]:
        """Decide what is to be paid, tell it, check that it can be, and ask.

        What each wallet is to have is remembered once that was confirmed.
        """
        means = await spending.sender.means()
        coin = self._coin
        if coin is None:
            known = fleet.wish
            coin = wished_coin(means.price, means.cap) if known is None else known.coin
        wish = FleetWish(coin, self._stake)
        payer, wallets = requester.wallet.address, [each.wallet for each in fleet.members]
        has = await holdings(spending.hub, [payer, *wallets])
        is_native = requester.hub.facts.rlc is None
        due = funding(wish, [has[each] for each in wallets], is_native=is_native)
        if due:
            gas = gas_of(due, means)
            what = told_plan(due, wish, gas, payer)
            lack = lacking(due, has[payer], gas, is_native=is_native)
            if lack:
                self._command.note(what)
                chain_id = requester.hub.facts.chain_id
                raise PayerLacks(payer, lack, where_from(chain_id, payer, self._command.rpc_urls))
            if self._yes:
                self._command.note(what)
            confirm(what, yes=self._yes)
        return due, fleet if wish == fleet.wish else self._remember(fleet.wishing(wish))

    def _funded(self) -> FleetPaid:
        paid = round_of(call for call, _ in self._paid)
        gas = sum(receipt.gas_used * receipt.gas_price for _, receipt in self._paid)
        return FleetPaid(len(self._paid), paid.rlc_paid, paid.coin_paid, Wei(gas))


def told_payment(call: PaymentCall) -> str:
    """Say what a payment was."""
    if isinstance(call, DepositFor):
        return f"staked {show_rlc(call.amount)} RLC for {counted(len(call.stakes), 'worker')}"
    if isinstance(call, AllowHub):
        return f"allowed the hub {show_rlc(call.amount)} RLC"
    if isinstance(call, TransferCoin):
        return f"sent {show_coin(call.amount)} coins to {call.to}"
    return f"sent {show_rlc(call.amount)} RLC to {call.to}"


def told_plan(due: PaymentRound, wish: FleetWish, gas: Wei, payer: Address) -> str:
    """Say what is to be paid for what, all of it."""
    staked = counted(sum(len(each.stakes) for each in due.stakes), "worker")
    parts = []
    if due.stakes:
        parts.append(
            f"{show_rlc(due.rlc_paid)} RLC become stake of {staked} "
            f"({show_rlc(wish.stake)} each; tasks lock it and give it back)"
        )
    if due.coins:
        parts.append(
            f"{show_coin(due.coin_paid)} coins go to {counted(len(due.coins), 'wallet')} for gas "
            f"({show_coin(wish.coin)} each)"
        )
    return (
        f"wallet {payer} pays: {', '.join(parts)}, and at most {show_coin(gas)} coins of gas for "
        f"{counted(due.count, 'transaction')}"
    )


def counted(number: int, what: str) -> str:
    """Write so many of something: ``1 worker``, ``2 workers``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
