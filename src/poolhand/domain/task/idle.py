"""Why a worker has nothing to do: a closed list of reasons, counted by task.

A scheduler looks at every open task and says of each why this worker does not get it, so that the
counts of all reasons add up to the tasks seen. One entry is no count: ``STAKE_MISSING`` is what the
worker would have to deposit (nRLC) so that its stake no longer holds it back from the cheapest.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, show_rlc


class IdleReason(StrEnum):
    """Words on the wire and on the status page; they never change their meaning."""

    NO_OPEN_TASK = "no open task"
    PAUSED = "worker is paused"
    DRAINED = "the pool's owner drains this worker"
    HAD_IT = "has had a replicate of this task"
    NEEDS_GPU = "task needs a GPU"
    NEEDS_TEE = "task needs a TEE"
    TOO_LONG = "task may take longer than the worker works"
    REWARD_TOO_LOW = "task brings less than the worker asks"
    HOSTS_NOT_ALLOWED = "task's app is to reach hosts that the worker does not allow"
    BUSY = "all slots busy"
    GPUS_BUSY = "all GPUs busy"
    TOO_MUCH_WAITS = "too many results wait for the chain"
    STAKE_TOO_LOW = "stake too low"
    ENOUGH = "task has enough replicates"
    CLOSED = "task takes no more contributions"
    UNSURE = "the chain is being asked"
    POOL_OUT_OF_GAS = "the pool is short of gas"
    RESTING = "turn lost for a while"
    STAKE_MISSING = "nRLC of stake missing"


REMEDIES: Final[Mapping[IdleReason, str]] = {
    IdleReason.NO_OPEN_TASK: "wait for a requester to buy",
    IdleReason.PAUSED: "resume the worker",
    IdleReason.DRAINED: "ask the pool's owner to give it tasks again",
    IdleReason.HAD_IT: "wait for another task: a task is given once to a worker",
    IdleReason.NEEDS_GPU: "wait for another task, or start the worker with --gpu if it has one",
    IdleReason.NEEDS_TEE: "wait for another task, or run the worker where there is a TEE",
    IdleReason.TOO_LONG: "wait until its hours begin anew, or widen its schedule",
    IdleReason.REWARD_TOO_LOW: "wait for a better-paid task, or lower the least reward",
    IdleReason.HOSTS_NOT_ALLOWED: "wait for another task, or allow hosts (--network-hosts)",
    IdleReason.BUSY: "wait for a slot, or raise the number of slots",
    IdleReason.GPUS_BUSY: "wait for one of the worker's GPUs",
    IdleReason.TOO_MUCH_WAITS: "wait for the chain; if it lasts, check the worker's gas and nodes",
    IdleReason.STAKE_TOO_LOW: "deposit RLC as stake",
    IdleReason.ENOUGH: "wait: others are at it",
    IdleReason.CLOSED: "wait: its contributions are complete or too late",
    IdleReason.UNSURE: "wait a moment",
    IdleReason.POOL_OUT_OF_GAS: "wait for the pool's owner to refill the pool's wallet",
    IdleReason.RESTING: "answer offers and settle tasks: each fault doubles the wait, up to 6 h",
    IdleReason.STAKE_MISSING: "deposit at least that much",
}
"""What would change it, for a person."""


def tasks_seen(reasons: Mapping[str, int]) -> int:
    """Count the open tasks that a scheduler has looked at for a worker."""
    return sum(count for word, count in reasons.items() if word != IdleReason.STAKE_MISSING)


def stake_missing(reasons: Mapping[str, int]) -> NanoRlc:
    """Return what a worker would have to deposit to be given the cheapest task, 0 for nothing."""
    return NanoRlc(reasons.get(IdleReason.STAKE_MISSING, 0))


def stake_remedy(wallet: Address, missing: NanoRlc) -> str:
    """Say how stake comes to a wallet.

    Args:
        wallet: Whose.
        missing: How much (nRLC); 0 where that is not known.
    """
    amount = show_rlc(missing) if missing else "AMOUNT"
    least = f"at least {amount} RLC" if missing else "RLC"
    return (
        f"deposit {least} as stake of {wallet}: `poolhand worker deposit {amount}` "
        f"(`poolhand account deposit {amount}` when the worker is stopped)"
    )
