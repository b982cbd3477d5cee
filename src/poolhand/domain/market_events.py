"""What a market must follow on chain: deals, orders closed, assets and stakes that change hands.

Source: PoCo 6.x, IexecOrderManagement, IexecEscrow and the three registries.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from poolhand.domain.ids import (
    Address,
    BlockHash,
    DealId,
    OrderHash,
    ResultHash,
    TaskId,
    TxHash,
)
from poolhand.domain.onchain import EventKind
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds


@dataclass(frozen=True, slots=True, order=True)
class LogPlace:
    """Where a log stands; ordered as the chain orders them."""

    block: BlockNumber
    log_index: int
    block_hash: BlockHash
    tx_hash: TxHash


class OrderSort(StrEnum):
    """The four orders."""

    APP = "app"
    DATASET = "dataset"
    WORKERPOOL = "workerpool"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class OrderClosed:
    """Its owner closed an order for good: nothing of it can be matched any more."""

    place: LogPlace
    sort: OrderSort
    order: OrderHash


@dataclass(frozen=True, slots=True)
class AssetMoved:
    """A registry gave an asset to another owner; ``source`` is zero where it was just created."""

    place: LogPlace
    sort: OrderSort
    asset: Address
    source: Address
    target: Address


class StakeChange(StrEnum):
    """Why a stake changed: ``MOVED`` is free stake, to or from the hub where it is locked."""

    MOVED = "Transfer"
    LOCKED = "Lock"
    UNLOCKED = "Unlock"
    SEIZED = "Seize"
    REWARDED = "Reward"


@dataclass(frozen=True, slots=True)
class StakeChanged:
    """A change of an account's stake (nRLC).

    Attributes:
        owner: Whose; of a ``MOVED`` one, from whom (zero: a deposit).
        target: To whom a ``MOVED`` one went (zero: a withdrawal); else None.
        task_id: Of a seizure or reward; zeros where none is named.
    """

    place: LogPlace
    change: StakeChange
    owner: Address
    amount: NanoRlc
    target: Address | None = None
    task_id: TaskId | None = None


@dataclass(frozen=True, slots=True)
class OrdersMatched:
    """Four orders became a deal of ``volume`` tasks; without a dataset its order's hash is zero.

    Attributes:
        orders: App, dataset, workerpool, request.
    """

    place: LogPlace
    deal_id: DealId
    orders: tuple[OrderHash, OrderHash, OrderHash, OrderHash]
    volume: int


@dataclass(frozen=True, slots=True)
class CategoryCreated:
    """The hub's owner made a category; ``description`` is whatever text was given."""

    place: LogPlace
    index: int
    name: str
    description: str
    time_ref: Seconds


@dataclass(frozen=True, slots=True)
class TaskHappened:
    """Something happened to a task.

    Attributes:
        party: The worker that contributed or revealed, or the workerpool that initialized.
        result_hash: What was contributed or agreed on.
        results: Bytes that the finalization put on chain: mostly the result link.
    """

    place: LogPlace
    kind: EventKind
    task_id: TaskId
    party: Address | None = None
    result_hash: ResultHash | None = None
    results: bytes = b""


MarketEvent: TypeAlias = (
    OrderClosed | AssetMoved | StakeChanged | OrdersMatched | CategoryCreated | TaskHappened
)
