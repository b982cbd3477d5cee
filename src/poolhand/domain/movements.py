"""What moved an account's RLC inside the hub, and what a transaction cost.

The law of every account, over any range of blocks: its free stake changes by what came in
(deposits, unlocks, rewards, transfers) less what went out, and its locked stake by locks less
unlocks and seizures, to the nRLC.

Source: PoCo 6.x, IexecEscrow (Transfer, Lock, Unlock, Reward, Seize).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, UnixSeconds, Wei


class MovementKind(StrEnum):
    """Why RLC moved."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"
    LOCK = "LOCK"
    UNLOCK = "UNLOCK"
    REWARD = "REWARD"
    SEIZURE = "SEIZURE"
    RECEIVED = "RECEIVED"
    SENT = "SENT"


K = MovementKind
_TO_FREE: Final = {
    K.DEPOSIT: 1,
    K.WITHDRAWAL: -1,
    K.LOCK: -1,
    K.UNLOCK: 1,
    K.REWARD: 1,
    K.RECEIVED: 1,
    K.SENT: -1,
}
_TO_LOCKED: Final = {K.LOCK: 1, K.UNLOCK: -1, K.SEIZURE: -1}


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of an account's RLC; ``task_id`` where the hub names one (rewards, seizures)."""

    kind: MovementKind
    amount: NanoRlc
    block: BlockNumber
    tx_hash: TxHash
    log_index: int
    task_id: TaskId | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """A transaction that is mined: who paid how much for it, and when (``at``)."""

    sender: Address
    gas_used: Gas
    gas_price: Wei
    at: UnixSeconds

    @property
    def cost(self) -> Wei:
        """What it took of the sender's coin."""
        return Wei(self.gas_used * self.gas_price)


def total(movements: Iterable[Movement], *kinds: MovementKind) -> NanoRlc:
    """Sum the movements of these kinds."""
    return NanoRlc(sum(each.amount for each in movements if each.kind in kinds))


def change_of_stake(movements: Iterable[Movement]) -> int:
    """Return by how much movements change a free stake (nRLC, may be negative)."""
    return sum(_TO_FREE.get(each.kind, 0) * each.amount for each in movements)


def change_of_locked(movements: Iterable[Movement]) -> int:
    """Return by how much movements change a locked stake (nRLC, may be negative)."""
    return sum(_TO_LOCKED.get(each.kind, 0) * each.amount for each in movements)
