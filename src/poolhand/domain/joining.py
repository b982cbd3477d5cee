"""How a computer becomes a worker of a pool, step by step: what comes next follows from what is.

Nothing is remembered of steps. Whoever joins looks at what there is (a wallet, its money, the
settings and the service of the worker, whether it runs), and this says what to do next; so the same
command again goes on wherever it was cut off, and on a worker that runs it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.gas_reserve import CONTRIBUTE_GAS, PRICE_MARGIN, REVEAL_GAS
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei

GAS_TASKS: Final = 10
"""Tasks whose gas a newcomer's wallet is asked to hold: one is used up before it is noticed."""


class JoinStep(StrEnum):
    """What is to be done next."""

    GET_WALLET = "get a wallet"
    WAIT_FOR_MONEY = "wait for money"
    DEPOSIT = "deposit"
    SET_UP = "set up"
    START = "start"
    ALL_SET = "all set"


@dataclass(frozen=True, slots=True)
class JoinWish:
    """What the wallet must have before the worker starts: coin for gas, RLC of stake."""

    coin: Wei
    stake: NanoRlc


@dataclass(frozen=True, slots=True)
class JoinSeen:
    """What there is.

    Attributes:
        wallet: The worker's; None: it has none yet.
        coin: In it, for gas.
        rlc: In it, outside the hub.
        staked: On its account in the hub, free and locked.
        is_set_up: Whether settings and service of the worker are in place.
        is_running: Whether the worker answers.
    """

    wallet: Address | None = None
    coin: Wei = Wei(0)
    rlc: NanoRlc = NanoRlc(0)
    staked: NanoRlc = NanoRlc(0)
    is_set_up: bool = False
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """What has to come from outside before the next step."""

    coin: Wei
    rlc: NanoRlc

    def __bool__(self) -> bool:
        return bool(self.coin or self.rlc)


def to_deposit(seen: JoinSeen, wish: JoinWish) -> NanoRlc:
    """Return how much RLC must become stake; what tasks have locked counts."""
    return NanoRlc(max(0, wish.stake - seen.staked))


def still_missing(seen: JoinSeen, wish: JoinWish) -> Missing:
    """Return what the wallet lacks; once nothing is to be deposited, half of the coin will do.

    For the deposit itself costs gas, and nobody is asked twice because of it.
    """
    due = to_deposit(seen, wish)
    coin = wish.coin if due else wish.coin // 2
    return Missing(Wei(max(0, coin - seen.coin)), NanoRlc(max(0, due - seen.rlc)))


def next_step(seen: JoinSeen, wish: JoinWish) -> JoinStep:
    """Say what comes next; a worker that runs is all set, whatever its wallet has spent since.

    One that is set up and was stopped is started: it says itself what it lacks.
    """
    if seen.is_running:
        return JoinStep.ALL_SET
    if seen.wallet is None:
        return JoinStep.GET_WALLET
    if seen.is_set_up:
        return JoinStep.START
    if still_missing(seen, wish):
        return JoinStep.WAIT_FOR_MONEY
    return JoinStep.DEPOSIT if to_deposit(seen, wish) else JoinStep.SET_UP


def wished_coin(gas_price: Wei, cap: Wei) -> Wei:
    """Return the coin that a newcomer is asked to have: for ten tasks at twice the present price.

    Args:
        gas_price: What a unit of gas is paid with now (wei).
        cap: The most that the worker ever pays (wei); 0 where gas is free.
    """
    price = min(PRICE_MARGIN * gas_price, cap)
    return Wei(GAS_TASKS * (CONTRIBUTE_GAS + REVEAL_GAS) * price)


def wished_stake(prices: Mapping[int, NanoRlc], stake_percent: int, slots: int) -> NanoRlc:
    """Return the stake that a newcomer is asked for: a task of the cheapest category in each slot.

    Args:
        prices: Of the pool, by category; what is for nothing locks nothing.
        stake_percent: Of a task's price that its worker locks.
        slots: Tasks at once.
    """
    paid = [price for price in prices.values() if price]
    cheapest = min(paid, default=NanoRlc(0))
    return NanoRlc(slots * (cheapest * stake_percent // 100))
