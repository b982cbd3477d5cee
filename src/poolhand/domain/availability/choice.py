"""Which tasks an operator wants, and why another is not taken: before anything is staked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.availability.preferences import Preferences
from poolhand.domain.gas_reserve import task_gas
from poolhand.domain.ids import Address
from poolhand.domain.replicate.events import Flow
from poolhand.domain.units import ALL_RLC, WEI_PER_COIN, NanoRlc, Seconds, Wei, show_rlc

_DIGITS: Final = 2
_HOUR: Final = 3_600
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A task as far as an operator may choose by it.

    Attributes:
        requester, app: Whose it is, and what is run.
        registry: Of the app's image.
        reward: What it brings the worker (nRLC).
        flow: By which it is settled.
        time: For which its category lets it compute.
    """

    requester: Address
    app: Address
    registry: str
    reward: NanoRlc
    flow: Flow
    time: Seconds = Seconds(0)


def why_not(wanted: Preferences, task: Proposal, gas_price: Wei) -> str | None:
    """Say why a task is not taken, as a sentence; None: it is.

    Args:
        wanted: By the operator.
        task: What is offered.
        gas_price: What a transaction would be offered now (wei per gas).
    """
    lists = (
        ("requester", task.requester, wanted.only_requesters, wanted.not_requesters),
        ("app", task.app, wanted.only_apps, wanted.not_apps),
    )
    for what, who, only, but in lists:
        if who in but:
            return f"{what} {who} is one that this worker's operator has left out (not-{what}s)"
        if only and who not in only:
            return f"{what} {who} is none of those that this worker works for (only-{what}s)"
    if task.registry in wanted.not_registries:
        return f"this worker takes no image from {task.registry} (not-registries)"
    least = least_reward(wanted, gas_price, task.flow, task.time)
    if task.reward < least:
        return (
            f"the task brings {show_rlc(task.reward)} RLC, and this worker asks "
            f"{show_rlc(least)} RLC, its gas and time included (least-reward, hour-price)"
        )
    return None


def least_reward(
    wanted: Preferences, gas_price: Wei, flow: Flow, time: Seconds = Seconds(0)
) -> NanoRlc:
    """Return what a task must bring, with what its gas is worth (nRLC).

    Args:
        wanted: By the operator.
        gas_price: What a transaction would be offered now (wei per gas).
        flow: By which it is settled.
        time: For which it may compute.
    """
    gas = task_gas(flow) * gas_price * wanted.coin_price
    hours = -(-wanted.hour_price * time // _HOUR)
    return NanoRlc(wanted.least_reward + hours + -(-gas // WEI_PER_COIN))


def told_reward(wanted: Preferences, gas_price: Wei, shortest: Seconds = Seconds(0)) -> NanoRlc:
    """Return what a pool is told to be the least: never more than what is asked.

    The price of gas moves with every block, and a pool need not hear of that: two digits are told.
    Nor need it hear of more than there is. What a longer task must bring besides is asked of it
    when it is offered.

    Args:
        wanted: By the operator.
        gas_price: What a transaction would be offered now (wei per gas).
        shortest: For which any task may compute.
    """
    each = (least_reward(wanted, gas_price, flow, shortest) for flow in Flow)
    least = min(ALL_RLC, *each)
    step = 10 ** max(len(str(least)) - _DIGITS, 0)
    return NanoRlc(least // step * step)
