"""What money a fleet of workers needs from one wallet, and what goes back to one address. Pure.

A plan is made of balances and of what each wallet is to have. What is paid is in the balances of
the next plan, so that the same plan made again pays the rest; what is under way is not, so a plan
is made only when no payment of an earlier one is (``PaymentRound``).

Source of gas: PoCo 6.1 on Anvil (approve 46 000; depositForArray 233 163 for five accounts that
had nothing; withdrawTo 58 217; RLC's transfer 51 807), a fifth on top as transactions are sent
with, and as much again for chains that count what their own chain costs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from poolhand.domain.gas_reserve import PRICE_MARGIN, Means
from poolhand.domain.ids import Address
from poolhand.domain.onchain import (
    AllowHub,
    DepositFor,
    TransferCoin,
    TransferRlc,
    WithdrawTo,
)
from poolhand.domain.units import WEI_PER_NANO_RLC, NanoRlc, Wei

PaymentCall: TypeAlias = TransferCoin | TransferRlc | AllowHub | DepositFor | WithdrawTo

MOST_STAKES: Final = 100
"""Accounts that one transaction stakes for: five million of gas."""
COIN_GAS: Final = 60_000
ALLOW_GAS: Final = 120_000
STAKE_BASE_GAS: Final = 120_000
STAKE_GAS: Final = 120_000
BACK_GAS: Final = 140_000
RLC_GAS: Final = 120_000


@dataclass(frozen=True, slots=True)
class WalletHolds:
    """What a wallet of the fleet has: coin, RLC outside the hub, free and locked stake."""

    wallet: Address
    coin: Wei = Wei(0)
    rlc: NanoRlc = NanoRlc(0)
    free: NanoRlc = NanoRlc(0)
    locked: NanoRlc = NanoRlc(0)


@dataclass(frozen=True, slots=True)
class FleetWish:
    """What each wallet is to have: coin for gas, stake free and locked."""

    coin: Wei
    stake: NanoRlc


@dataclass(frozen=True, slots=True)
class PaymentRound:
    """Payments that one wallet is to make, all of them once, in this order.

    Attributes:
        back: Free stake to RLC of another wallet.
        rlc: RLC to others.
        allow: What the hub may take for ``stakes``; nothing on a native chain.
        stakes: RLC to the stake of others, in one transaction each.
        coins: Coin to others.
    """

    back: tuple[WithdrawTo, ...] = ()
    rlc: tuple[TransferRlc, ...] = ()
    allow: tuple[AllowHub, ...] = ()
    stakes: tuple[DepositFor, ...] = ()
    coins: tuple[TransferCoin, ...] = ()

    @property
    def stages(self) -> tuple[tuple[PaymentCall, ...], ...]:
        """Return what may be sent together, stage after stage; stakes rest on what is allowed."""
        found: list[tuple[PaymentCall, ...]] = [self.back, self.rlc, self.allow]
        found += [(each,) for each in self.stakes]
        return tuple(stage for stage in (*found, self.coins) if stage)

    @property
    def count(self) -> int:
        """How many transactions it is."""
        return sum(map(len, self.stages))

    @property
    def rlc_paid(self) -> NanoRlc:
        """RLC that leaves the wallet, and its free stake."""
        paid: list[WithdrawTo | TransferRlc | DepositFor] = [*self.back, *self.rlc, *self.stakes]
        return NanoRlc(sum(each.amount for each in paid))

    @property
    def coin_paid(self) -> Wei:
        """Coin that leaves the wallet, gas not counted."""
        return Wei(sum(each.amount for each in self.coins))

    @property
    def recipients(self) -> frozenset[Address]:
        """Who gets RLC or coin from the wallet; those whose stake is paid left out."""
        paid: list[WithdrawTo | TransferRlc | TransferCoin] = [*self.back, *self.rlc, *self.coins]
        return frozenset(each.to for each in paid)

    @property
    def gas(self) -> int:
        """The most gas that it takes."""
        stakes = sum(STAKE_BASE_GAS + STAKE_GAS * len(each.stakes) for each in self.stakes)
        return (
            BACK_GAS * len(self.back)
            + RLC_GAS * len(self.rlc)
            + ALLOW_GAS * len(self.allow)
            + stakes
            + COIN_GAS * len(self.coins)
        )

    def __bool__(self) -> bool:
        return bool(self.stages)


def round_of(payments: Iterable[PaymentCall]) -> PaymentRound:
    """Return payments as one round, each in its place."""
    each = tuple(payments)
    return PaymentRound(
        back=tuple(call for call in each if isinstance(call, WithdrawTo)),
        rlc=tuple(call for call in each if isinstance(call, TransferRlc)),
        allow=tuple(call for call in each if isinstance(call, AllowHub)),
        stakes=tuple(call for call in each if isinstance(call, DepositFor)),
        coins=tuple(call for call in each if isinstance(call, TransferCoin)),
    )


@dataclass(frozen=True, slots=True)
class LackingFunds:
    """What the paying wallet has not: coin, RLC."""

    coin: Wei
    rlc: NanoRlc

    def __bool__(self) -> bool:
        return bool(self.coin or self.rlc)


def funding(wish: FleetWish, fleet: Iterable[WalletHolds], *, is_native: bool) -> PaymentRound:
    """Return what one wallet is to pay so that each of the fleet has what is wished.

    What a wallet has beyond it is left there. Coin is topped up once less than half of it is left:
    a worker that was funded and has paid gas since is not paid again for each transaction.

    Args:
        wish: For each wallet.
        fleet: What there is.
        is_native: Whether RLC is the chain's coin, so that nothing has to be allowed.
    """
    wallets = tuple(fleet)
    stakes = tuple(_stakes(wish, wallets))
    total = NanoRlc(sum(amount for _, amount in stakes))
    return PaymentRound(
        allow=(AllowHub(total),) if stakes and not is_native else (),
        stakes=tuple(
            DepositFor(stakes[at : at + MOST_STAKES]) for at in range(0, len(stakes), MOST_STAKES)
        ),
        coins=tuple(
            TransferCoin(each.wallet, Wei(wish.coin - each.coin))
            for each in wallets
            if 2 * each.coin < wish.coin
        ),
    )


def _stakes(wish: FleetWish, wallets: Sequence[WalletHolds]) -> Iterator[tuple[Address, NanoRlc]]:
    for each in wallets:
        missing = wish.stake - each.free - each.locked
        if missing > 0:
            yield each.wallet, NanoRlc(missing)


def gas_of(due: PaymentRound, means: Means) -> Wei:
    """Return the most that the gas of payments may cost, at twice the present price (wei)."""
    return Wei(due.gas * min(PRICE_MARGIN * means.price, means.cap))


def lacking(due: PaymentRound, has: WalletHolds, gas: Wei, *, is_native: bool) -> LackingFunds:
    """Return what the paying wallet lacks for payments and their gas."""
    coin = due.coin_paid + gas
    if is_native:
        coin += due.rlc_paid * WEI_PER_NANO_RLC
        return LackingFunds(Wei(max(0, coin - has.coin)), NanoRlc(0))
    return LackingFunds(Wei(max(0, coin - has.coin)), NanoRlc(max(0, due.rlc_paid - has.rlc)))


def collection(
    has: WalletHolds, keep: FleetWish, to: Address, means: Means, *, is_native: bool
) -> PaymentRound:
    """Return what a worker's wallet that owes nothing is to send to one address.

    Locked stake counts as kept, and is never touched: it comes back by itself. The gas of these
    payments is left in the wallet, at twice the present price.

    Args:
        has: What there is.
        keep: What stays: stake, free and locked; coin.
        to: Who gets the rest.
        means: What gas costs.
        is_native: Whether RLC is the chain's coin.
    """
    free = NanoRlc(has.free - max(0, keep.stake - has.locked))
    found = PaymentRound(
        back=(WithdrawTo(to, free),) if free > 0 else (),
        rlc=(TransferRlc(to, has.rlc),) if has.rlc and not is_native else (),
    )
    gas = gas_of(PaymentRound(found.back, found.rlc, coins=(TransferCoin(to, Wei(1)),)), means)
    coin = Wei(has.coin - keep.coin - gas)
    coins = (TransferCoin(to, coin),) if coin > 0 else ()
    if not coins and gas_of(found, means) > has.coin:
        return PaymentRound()  # it cannot pay for any of it
    return PaymentRound(found.back, found.rlc, coins=coins)


def is_worth_an_end(due: PaymentRound, keep: FleetWish) -> bool:
    """Whether a worker that runs is to end for a moment so that its wallet can send this.

    For any RLC; for coin alone only where more goes than stays: what an earlier collection left for
    gas and did not need would else end it each time.
    """
    return bool(due.rlc_paid) or due.coin_paid > keep.coin
