"""Where an account's stake is locked by tasks that are not settled, and until when at the latest.

Source: PoCo 6.x, matchOrders (lock of requester and pool owner), contribute (lock of a worker).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from poolhand.domain.reward import scheduler_stake
from poolhand.domain.units import NanoRlc, UnixSeconds


class LockRole(StrEnum):
    """As whom somebody has stake locked."""

    REQUESTER = "requester"
    POOL_OWNER = "pool owner"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class LockedStake:
    """Stake that tasks of one deal hold (nRLC).

    Attributes:
        tasks: How many are not settled.
        until: From then on anybody may claim them, which frees or takes the stake.
    """

    role: LockRole
    deal_id: str
    amount: NanoRlc
    tasks: int
    until: UnixSeconds | None


def locked_by(
    role: LockRole, deal: Mapping[str, Any], tasks: int, until: UnixSeconds | None
) -> LockedStake:
    """Return what tasks of a deal lock.

    Args:
        role: Of the account in the deal.
        deal: Its JSON, as the market tells it.
        tasks: How many of its tasks are not settled; of a worker, to how many it contributed.
        until: The deal's last deadline.
    """
    pool = deal["workerpool"]["price"]
    each = {
        LockRole.REQUESTER: deal["app"]["price"] + deal["dataset"]["price"] + pool,
        LockRole.POOL_OWNER: scheduler_stake(NanoRlc(pool)),
        LockRole.WORKER: deal["workerStake"],
    }[role]
    return LockedStake(role, deal["dealid"], NanoRlc(each * tasks), tasks, until)
