"""What the chain says of tasks and blocks: snapshots, events and the calls we send.

A snapshot is read at one block and replaces what was known before; this makes repeats, lagging
nodes and re-organised chains harmless. Events only tell *when* to look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TypeAlias

from poolhand.domain.ids import (
    ZERO_ADDRESS,
    Address,
    BlockHash,
    DealId,
    ResultDigest,
    ResultHash,
    ResultSeal,
    TaskId,
    TxHash,
)
from poolhand.domain.orders.model import CloseOrder, MatchOrders, SponsorMatch
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, Seconds, UnixSeconds, Wei


class ChainTaskStatus(IntEnum):
    """Task status of the hub."""

    UNSET = 0
    ACTIVE = 1
    REVEALING = 2
    COMPLETED = 3
    FAILED = 4


class ContributionStatus(IntEnum):
    """Contribution status of the hub."""

    UNSET = 0
    CONTRIBUTED = 1
    PROVED = 2
    REJECTED = 3


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block a node knows.

    ``base_fee`` is None before EIP-1559 (wei per gas); ``gas_limit`` is what the transactions of a
    block may take together, None where the node does not tell.
    """

    number: BlockNumber
    block_hash: BlockHash
    parent_hash: BlockHash
    timestamp: UnixSeconds
    base_fee: Wei | None
    gas_limit: Gas | None = None


@dataclass(frozen=True, slots=True)
class ContributionView:
    """One worker's contribution; ``log_weight`` is floor(log2(weight))."""

    status: ContributionStatus
    result_hash: ResultHash
    seal: ResultSeal
    log_weight: int


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as the chain stood at ``block``; an unknown task is UNSET with zeros."""

    task_id: TaskId
    block: BlockNumber
    block_time: UnixSeconds
    status: ChainTaskStatus
    time_ref: Seconds
    contribution_deadline: UnixSeconds
    reveal_deadline: UnixSeconds
    final_deadline: UnixSeconds
    consensus: ResultHash
    reveal_counter: int
    winner_counter: int
    contributors: tuple[Address, ...]
    digest: ResultDigest
    results: bytes
    contributions: Mapping[Address, ContributionView] = field(default_factory=dict)


class EventKind(StrEnum):
    """Hub events that Poolhand follows."""

    SCHEDULER_NOTICE = "SchedulerNotice"
    TASK_INITIALIZE = "TaskInitialize"
    TASK_CONTRIBUTE = "TaskContribute"
    TASK_CONSENSUS = "TaskConsensus"
    TASK_REVEAL = "TaskReveal"
    TASK_REOPEN = "TaskReopen"
    TASK_FINALIZE = "TaskFinalize"
    TASK_CLAIMED = "TaskClaimed"


@dataclass(frozen=True, slots=True)
class HubEvent:
    """One log of the hub: the deal or task it concerns, and where it stands.

    ``result_hash`` is what a TaskContribute contributed or a TaskConsensus agreed on; ``removed``
    marks a log that a re-organised chain took back.
    """

    kind: EventKind
    block: BlockNumber
    block_hash: BlockHash
    tx_hash: TxHash
    log_index: int
    deal_id: DealId | None = None
    task_id: TaskId | None = None
    worker: Address | None = None
    removed: bool = False
    result_hash: ResultHash | None = None

    def concerns(self, workerpool: Address | None) -> bool:
        """Whether it is not the notice of another pool's deal; None: whoever's it is."""
        notice = self.kind is EventKind.SCHEDULER_NOTICE
        return not notice or workerpool is None or self.worker == workerpool


# ---------------------------------------------------------------- calls: transactions we may send


@dataclass(frozen=True, slots=True)
class Initialize:
    """``initialize`` or, for several, ``initializeArray``."""

    tasks: tuple[tuple[DealId, int], ...]


@dataclass(frozen=True, slots=True)
class Contribute:
    """``contribute`` of a standard task (enclave fields zero)."""

    task_id: TaskId
    result_hash: ResultHash
    seal: ResultSeal
    authorization: bytes
    enclave: Address = ZERO_ADDRESS
    enclave_sign: bytes = b""


@dataclass(frozen=True, slots=True)
class Reveal:
    """``reveal``."""

    task_id: TaskId
    digest: ResultDigest


@dataclass(frozen=True, slots=True)
class ContributeAndFinalize:
    """``contributeAndFinalize``: both ends of a trust-1 task in one transaction."""

    task_id: TaskId
    digest: ResultDigest
    results: bytes
    callback_data: bytes
    authorization: bytes
    enclave: Address = ZERO_ADDRESS
    enclave_sign: bytes = b""


@dataclass(frozen=True, slots=True)
class Finalize:
    """``finalize``; ``results`` is the UTF-8 result link."""

    task_id: TaskId
    results: bytes
    callback_data: bytes


@dataclass(frozen=True, slots=True)
class Reopen:
    """``reopen``: nobody revealed in time."""

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class Claim:
    """``claim`` or ``claimArray``: the final deadline passed."""

    tasks: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True)
class Deposit:
    """Turn RLC into stake: ``approveAndCall`` (token) or ``deposit`` (native)."""

    amount: NanoRlc


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Turn free stake into RLC."""

    amount: NanoRlc


@dataclass(frozen=True, slots=True)
class WithdrawTo:
    """Turn free stake into RLC of somebody else's wallet: ``withdrawTo``."""

    to: Address
    amount: NanoRlc


@dataclass(frozen=True, slots=True)
class AllowHub:
    """Let the hub take RLC for ``DepositFor``: ``approve`` of the token; no native chain needs it.

    It replaces what was allowed before.
    """

    amount: NanoRlc


@dataclass(frozen=True, slots=True)
class DepositFor:
    """Turn RLC of the sender into stake of others, all or none: ``depositForArray``."""

    stakes: tuple[tuple[Address, NanoRlc], ...]

    @property
    def amount(self) -> NanoRlc:
        """All of it."""
        return NanoRlc(sum(amount for _, amount in self.stakes))


@dataclass(frozen=True, slots=True)
class CreateApp:
    """``createApp``; ``checksum`` is the image's sha256 digest."""

    owner: Address
    name: str
    multiaddr: bytes
    checksum: bytes


@dataclass(frozen=True, slots=True)
class CreateDataset:
    """``createDataset``."""

    owner: Address
    name: str
    multiaddr: bytes
    checksum: bytes


@dataclass(frozen=True, slots=True)
class CreateWorkerpool:
    """``createWorkerpool``."""

    owner: Address
    description: str


CreateAsset: TypeAlias = CreateApp | CreateDataset | CreateWorkerpool
"""Registers an asset; the same asset of the same owner exists once."""


@dataclass(frozen=True, slots=True)
class ChangePolicy:
    """``changePolicy`` on a workerpool contract (percent)."""

    workerpool: Address
    worker_stake_percent: int
    scheduler_percent: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction. ``gas_price`` is what was paid (wei per gas).

    ``created`` is the asset that a Create call made, else None; ``deals`` are the deals matched.
    """

    tx_hash: TxHash
    block: BlockNumber
    succeeded: bool
    gas_used: Gas
    gas_price: Wei
    created: Address | None = None
    deals: tuple[DealId, ...] = ()


@dataclass(frozen=True, slots=True)
class TransferRlc:
    """Send RLC (token mode: ERC-20 transfer; native mode: coin)."""

    to: Address
    amount: NanoRlc


@dataclass(frozen=True, slots=True)
class TransferCoin:
    """Send the chain's coin, for gas."""

    to: Address
    amount: Wei


Call: TypeAlias = (
    Initialize
    | Contribute
    | Reveal
    | ContributeAndFinalize
    | Finalize
    | Reopen
    | Claim
    | Deposit
    | Withdraw
    | WithdrawTo
    | AllowHub
    | DepositFor
    | CreateApp
    | CreateDataset
    | CreateWorkerpool
    | ChangePolicy
    | MatchOrders
    | SponsorMatch
    | CloseOrder
    | TransferRlc
    | TransferCoin
)
