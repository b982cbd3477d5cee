"""Stakes, rewards and the kitty, per task, with the contract's floor divisions.

Source: PoCo 6.x, IexecPoco1Facet.matchOrders, IexecPoco2Facet.distributeRewards and ``claim``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.trust import Trust, Weight, newcomers_needed
from poolhand.domain.units import NANO_PER_RLC, NanoRlc

SCHEDULER_STAKE_PERCENT: Final = 30
KITTY: Final = Address.parse("0x99c2268479b93fDe36232351229815DF80837e23")
"""The account of what was seized and nobody claimed."""
KITTY_PERCENT: Final = 10
KITTY_MINIMUM: Final = NanoRlc(NANO_PER_RLC)


@dataclass(frozen=True, slots=True)
class Shares:
    """What one successful task pays, stakes returned not counted (nRLC)."""

    workers: Mapping[Address, NanoRlc]
    scheduler: NanoRlc
    kitty: NanoRlc


def scheduler_stake(pool_price: NanoRlc) -> NanoRlc:
    """Return what the pool owner locks per task: 30 % of the price, floored."""
    return NanoRlc(pool_price * SCHEDULER_STAKE_PERCENT // 100)


def kitty_share(kitty: NanoRlc) -> NanoRlc:
    """Return what a successful task takes from the kitty: 10 %, at least 1 RLC, at most all."""
    return NanoRlc(min(max(kitty * KITTY_PERCENT // 100, KITTY_MINIMUM), kitty))


def worker_quota(pot: NanoRlc, scheduler_percent: int) -> NanoRlc:
    """Return what of a pot goes to the workers together, before it is split by weight."""
    return NanoRlc(pot * (100 - scheduler_percent) // 100)


def worker_reward(pool_price: NanoRlc, scheduler_percent: int, trust: Trust) -> NanoRlc:
    """Return what each of as many new workers as reach a trust gets for a task, if none lies.

    Workers with a score are needed in smaller numbers and share the same; what the kitty adds, and
    what a liar loses, comes on top.
    """
    return NanoRlc(worker_quota(pool_price, scheduler_percent) // newcomers_needed(trust))


def finalize_shares(
    pool_price: NanoRlc,
    worker_stake: NanoRlc,
    scheduler_percent: int,
    proved: Mapping[Address, Weight],
    losers: int,
    kitty: NanoRlc = NanoRlc(0),
) -> Shares:
    """Split a finalized task's pot.

    Args:
        pool_price: Price of the workerpool order.
        worker_stake: Lost by each of ``losers`` and added to the pot.
        scheduler_percent: The pool's reward ratio.
        proved: Revealed winners and the weights of their contributions.
        losers: Contributors that did not prove.
        kitty: Before the task.
    """
    pot = pool_price + worker_stake * losers
    quota = worker_quota(NanoRlc(pot), scheduler_percent)
    logs = {worker: weight.bit_length() - 1 for worker, weight in proved.items()}
    total = sum(logs.values())
    workers = {worker: NanoRlc(quota * log // total) for worker, log in logs.items()}
    from_kitty = kitty_share(kitty)
    return Shares(workers, NanoRlc(pot - sum(workers.values()) + from_kitty), from_kitty)
