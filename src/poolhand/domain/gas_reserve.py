"""What a worker's wallet must hold for gas: reveals already owed come before new work.

A contribution locks stake that only its reveal gives back, so the gas of every reveal owed is kept
back at the highest price the operator allows: whatever gas costs by then, more is never offered,
so the reserve is always enough. New work is priced at twice of what a transaction would be offered
now, for the base fee may double in six blocks: a contribution that could not be paid after all
loses the computation and no stake.

Source: gas used by PoCo 6.1 on Anvil (contribute 277 000 to 422 000, reveal 56 000 to 93 000,
contributeAndFinalize 505 000 to 666 000), a fifth on top as transactions are sent with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate.events import Action, Flow
from poolhand.domain.replicate.model import Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import Gas, Wei, show_coin, show_gas_price

CONTRIBUTE_GAS: Final = Gas(600_000)
"""Limit under which no contribution is sent: one that completes the consensus takes more."""
REVEAL_GAS: Final = Gas(150_000)
"""Limit under which no reveal is sent."""
SETTLE_GAS: Final = Gas(850_000)
"""Limit of contributeAndFinalize with a callback."""
USUAL_GAS: Final = {Flow.STANDARD: Gas(515_000), Flow.CONTRIBUTE_AND_FINALIZE: Gas(666_000)}
"""What the transactions of one task use at most, by the measures above; limits are higher."""
PRICE_MARGIN: Final = 2
"""Times the present price at which new work must be payable, within the operator's cap."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a wallet has for gas, and what gas costs.

    Attributes:
        balance: Of the chain's coin.
        price: What a transaction would be offered now (wei per gas).
        cap: The most that is ever offered (wei per gas); 0 where gas is free.
        asked: The least that the newest block takes (wei per gas); 0 where that is not known.
    """

    balance: Wei
    price: Wei
    cap: Wei
    asked: Wei = Wei(0)

    @property
    def is_free(self) -> bool:
        """Whether gas costs nothing."""
        return self.cap == 0

    @property
    def is_capped_out(self) -> bool:
        """Whether the operator's cap is under what the chain takes, so that nothing is mined."""
        return 0 < self.cap < self.asked

    @property
    def cap_told(self) -> str:
        """Say that the cap is too low, and what would change that."""
        return (
            f"gas price cap {show_gas_price(self.cap)} is under the chain's "
            f"{show_gas_price(self.asked)}: nothing can be sent until gas is cheaper or the cap "
            "(--gas-price-cap, IEXEC_GAS_PRICE_CAP) is higher"
        )


@dataclass(frozen=True, slots=True)
class WalletGas:
    """A wallet judged (wei).

    Attributes:
        balance: What it has.
        reserve: What the reveals owed may cost.
        least: The reserve and the cost of one more task at the present price.
        needed: The same at ``PRICE_MARGIN`` times the price.
    """

    balance: Wei
    reserve: Wei
    least: Wei
    needed: Wei

    @property
    def missing(self) -> Wei:
        """What must be added for one more task, with a margin; 0 when there is enough."""
        return Wei(max(0, self.needed - self.balance))

    def is_short(self, was_short: bool) -> bool:
        """Whether nothing new may be taken; once so, it lasts until the margin is there, too."""
        return self.balance < (self.needed if was_short else self.least)


def task_gas(flow: Flow) -> Gas:
    """Return what the transactions of one task use."""
    return USUAL_GAS[flow]


def gas_lack(gas: WalletGas, wallet: Address) -> str:
    """Say what a wallet has and needs."""
    kept = f", {show_coin(gas.reserve)} of it for reveals owed" if gas.reserve else ""
    return (
        f"wallet {wallet} has {show_coin(gas.balance)} coins and needs "
        f"{show_coin(gas.needed)}{kept}"
    )


def gas_remedy(gas: WalletGas) -> str:
    """Say how much must be sent to a wallet that is short."""
    return f"send it at least {show_coin(gas.missing)} coins of this chain"


def owes_reveal(replicate: Replicate) -> bool:
    """Whether a contribution is or may be on chain whose reveal is still to be paid."""
    if replicate.offer.flow is not Flow.STANDARD or replicate.is_over:
        return False
    if not replicate.has_contributed or replicate.parked is Action.CONTRIBUTE:
        return False
    taken_back = replicate.running in (Action.CONTRIBUTE, Action.REVEAL)
    return taken_back or replicate.count(Status.REVEALED) == 0


def reveals_owed(replicates: Iterable[Replicate]) -> int:
    """Count the reveals that are still to be paid."""
    return sum(map(owes_reveal, replicates))


def reserve(means: Means, owed: int) -> Wei:
    """Return what so many reveals may cost at most (wei)."""
    return Wei(owed * REVEAL_GAS * means.cap)


def judge(means: Means, owed: int) -> WalletGas:
    """Judge a wallet against the reveals it owes and one more task."""
    kept = reserve(means, owed)
    margin = min(PRICE_MARGIN * means.price, means.cap)
    least, needed = (kept + _task_cost(means, price) for price in (means.price, margin))
    return WalletGas(means.balance, kept, Wei(least), Wei(needed))


def payable(
    means: Means, owed: int, waiting: Iterable[tuple[TaskId, Action, Flow]]
) -> tuple[TaskId, ...]:
    """Choose the stages waiting for gas that may be tried again: reveals first, then in order.

    A reveal needs its own price and no more; a contribution must leave the reserve alone.

    Args:
        means: Of the wallet.
        owed: Reveals owed, those among ``waiting`` included.
        waiting: What waits.
    """
    left, chosen = means.balance, []
    for task_id, action, flow in sorted(waiting, key=lambda each: each[1] is Action.CONTRIBUTE):
        standard = action is Action.CONTRIBUTE and flow is Flow.STANDARD
        kept = reserve(means, owed + standard) if action is Action.CONTRIBUTE else Wei(0)
        cost = _gas(action, flow) * means.price
        if left >= kept + cost:
            left = Wei(left - cost)
            owed += standard
            chosen.append(task_id)
    return tuple(chosen)


def _gas(action: Action, flow: Flow) -> Gas:
    if action is not Action.CONTRIBUTE:
        return REVEAL_GAS
    return CONTRIBUTE_GAS if flow is Flow.STANDARD else SETTLE_GAS


def _task_cost(means: Means, price: int) -> Wei:
    """Return what one more task may cost, whichever way it is settled (wei)."""
    standard = CONTRIBUTE_GAS * price + REVEAL_GAS * means.cap
    return Wei(max(standard, SETTLE_GAS * price))
