"""What a fake chain knows after a block: dictionaries of immutable values, cheap to copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeAlias, TypeVar

from poolhand.domain.category import Category
from poolhand.domain.deal import App, Dataset, Deal, Workerpool
from poolhand.domain.ids import (
    Address,
    DealId,
    OrderHash,
    ResultDigest,
    ResultHash,
    TaskId,
)
from poolhand.domain.movements import MovementKind
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    EventKind,
    TaskView,
)
from poolhand.domain.signatures import BadSignature, recover, widen
from poolhand.domain.trust import Score, Weight
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, UnixSeconds, Wei

_Key = TypeVar("_Key")
Judges: TypeAlias = Callable[[bytes, bytes], bool]
"""What an account that is a contract says of a digest and a signature (ERC-1271)."""


@dataclass(frozen=True, slots=True)
class Log:
    """An event before it has a place in a block."""

    kind: EventKind
    deal_id: DealId | None = None
    task_id: TaskId | None = None
    worker: Address | None = None
    result_hash: ResultHash | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A movement of somebody's RLC before it has a place in a block."""

    owner: Address
    kind: MovementKind
    amount: NanoRlc
    task_id: TaskId | None


@dataclass(frozen=True, slots=True)
class FakeTask:
    """A task as the hub stores it; ``groups`` is result hash to group weight."""

    deal_id: DealId
    view: TaskView
    total: int = 1
    groups: Mapping[bytes, int] = field(default_factory=dict)
    weights: Mapping[Address, Weight] = field(default_factory=dict)


def unset_task(task_id: TaskId) -> TaskView:
    """Return what the hub says of a task it does not know."""
    zero = UnixSeconds(0)
    return TaskView(
        task_id=task_id,
        block=BlockNumber(0),
        block_time=zero,
        status=ChainTaskStatus.UNSET,
        time_ref=Seconds(0),
        contribution_deadline=zero,
        reveal_deadline=zero,
        final_deadline=zero,
        consensus=ResultHash(bytes(32)),
        reveal_counter=0,
        winner_counter=0,
        contributors=(),
        digest=ResultDigest(bytes(32)),
        results=b"",
    )


@dataclass(slots=True)
class State:
    """Everything on chain; amounts in nRLC, ``coin`` in wei.

    ``allowance`` is what the hub may take of an account's RLC.
    ``signers`` are accounts that are contracts, ``groups`` contracts with their members.
    """

    categories: dict[int, Category] = field(default_factory=dict)
    stake: dict[Address, int] = field(default_factory=dict)
    locked: dict[Address, int] = field(default_factory=dict)
    rlc: dict[Address, int] = field(default_factory=dict)
    coin: dict[Address, int] = field(default_factory=dict)
    allowance: dict[Address, int] = field(default_factory=dict)
    apps: dict[Address, App] = field(default_factory=dict)
    datasets: dict[Address, Dataset] = field(default_factory=dict)
    pools: dict[Address, Workerpool] = field(default_factory=dict)
    deals: dict[DealId, Deal] = field(default_factory=dict)
    tasks: dict[TaskId, FakeTask] = field(default_factory=dict)
    contributions: dict[tuple[TaskId, Address], ContributionView] = field(default_factory=dict)
    scores: dict[Address, Score] = field(default_factory=dict)
    consumed: dict[OrderHash, int] = field(default_factory=dict)
    signers: dict[Address, Judges] = field(default_factory=dict)
    groups: dict[Address, frozenset[Address]] = field(default_factory=dict)
    moved: list[Moved] = field(default_factory=list, init=False)

    def copy(self) -> State:
        """Return an independent state; values are immutable, so only the tables are copied.

        What moved belongs to a transaction: a copy begins with nothing.
        """
        tables = [part.name for part in fields(self) if part.name != "moved"]
        return State(**{name: dict(getattr(self, name)) for name in tables})

    def view(self, task_id: TaskId) -> TaskView:
        """Return a task, UNSET when unknown."""
        known = self.tasks.get(task_id)
        return known.view if known else unset_task(task_id)

    def takes(self, account: Address, digest: bytes, sign: bytes) -> bool:
        """Whether a signature counts as an account's own."""
        if account in self.signers:
            return self.signers[account](digest, sign)
        try:
            return recover(digest, widen(sign)) == account
        except BadSignature:
            return False

    def has_member(self, group: Address, account: Address) -> bool:
        """Whether a group lets an account in."""
        return account in self.groups.get(group, ())

    def contribution(self, task_id: TaskId, worker: Address) -> ContributionView | None:
        """Return a worker's contribution."""
        return self.contributions.get((task_id, worker))

    def set_status(self, task_id: TaskId, worker: Address, status: ContributionStatus) -> None:
        """Change a contribution's status alone."""
        key = task_id, worker
        self.contributions[key] = replace(self.contributions[key], status=status)

    def lock(self, owner: Address, amount: int) -> None:
        """Put free stake at risk; the caller checked that there is enough."""
        _add(self.stake, owner, -amount)
        _add(self.locked, owner, amount)
        self._note(MovementKind.LOCK, owner, amount)

    def unlock(self, owner: Address, amount: int) -> None:
        """Give locked stake back."""
        _add(self.stake, owner, amount)
        _add(self.locked, owner, -amount)
        self._note(MovementKind.UNLOCK, owner, amount)

    def seize(self, owner: Address, amount: int, task_id: TaskId) -> None:
        """Take locked stake; the pot it goes to pays rewards."""
        _add(self.locked, owner, -amount)
        self._note(MovementKind.SEIZURE, owner, amount, task_id)

    def reward(self, owner: Address, amount: int, task_id: TaskId | None = None) -> None:
        """Pay from the pot."""
        _add(self.stake, owner, amount)
        self._note(MovementKind.REWARD, owner, amount, task_id)

    def deposit(self, owner: Address, amount: int) -> None:
        """Turn RLC outside the hub into free stake."""
        _add(self.rlc, owner, -amount)
        _add(self.stake, owner, amount)
        self._note(MovementKind.DEPOSIT, owner, amount)

    def withdraw(self, owner: Address, amount: int) -> None:
        """Turn free stake into RLC outside the hub."""
        _add(self.stake, owner, -amount)
        _add(self.rlc, owner, amount)
        self._note(MovementKind.WITHDRAWAL, owner, amount)

    def _note(
        self, kind: MovementKind, owner: Address, amount: int, task_id: TaskId | None = None
    ) -> None:
        self.moved.append(Moved(owner, kind, NanoRlc(amount), task_id))

    def move(self, source: Address, target: Address, amount: int) -> None:
        """Move RLC outside the hub."""
        _add(self.rlc, source, -amount)
        _add(self.rlc, target, amount)

    def add_rlc(self, owner: Address, amount: int) -> None:
        """Make (or take back) RLC outside the hub."""
        _add(self.rlc, owner, amount)

    def add_coin(self, owner: Address, amount: int) -> None:
        """Make (or burn) the chain's coin."""
        _add(self.coin, owner, amount)

    def coin_of(self, owner: Address) -> Wei:
        """Return a coin balance."""
        return Wei(self.coin.get(owner, 0))

    def stake_of(self, owner: Address) -> NanoRlc:
        """Return a free stake."""
        return NanoRlc(self.stake.get(owner, 0))

    def locked_of(self, owner: Address) -> NanoRlc:
        """Return a locked stake."""
        return NanoRlc(self.locked.get(owner, 0))

    def rlc_of(self, owner: Address) -> NanoRlc:
        """Return RLC outside the hub."""
        return NanoRlc(self.rlc.get(owner, 0))

    @property
    def total_nrlc(self) -> int:
        """All RLC there is; constant but for ``add_rlc``."""
        tables = self.rlc, self.stake, self.locked
        return sum(sum(table.values()) for table in tables)


def _add(table: dict[_Key, int], key: _Key, amount: int) -> None:
    after = table.get(key, 0) + amount
    assert after >= 0, f"{key} would hold {after}"
    table[key] = after
