"""Where an account's locked stake is: for each task how much, why, and when it comes free.

The hub only knows the sum. Deals and contributions are found in its events, from the newest block
back, until they explain the sum; what each locks is computed from the task as it stands now.
Source: PoCo 6.x, IexecPoco1Facet.matchOrders (locks), IexecPoco2Facet (unlocks and seizures).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from poolhand.chain.deal_reader import DealReader, SkippedDeal
from poolhand.domain.category import Category
from poolhand.domain.deal import Account, Deal
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    EventKind,
    HubEvent,
    TaskView,
)
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds
from poolhand.ports.chain import Hub
from poolhand.requester.claims import TaskPlaces, is_open

STAKES_BLOCKS_AT_ONCE: Final = 10_000
"""Blocks searched at once."""
STAKES_LOOKBACK: Final = 100_000
"""Blocks searched in all, unless told otherwise."""
ACCOUNT_READS: Final = 3
"""Reads of an account that changes while it is read."""


class Role(StrEnum):
    """As what an account has something locked."""

    REQUESTER = "requester"
    POOL_OWNER = "pool owner"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Stake:
    """What one task locks of an account.

    ``block`` is that of its deal, None for a worker's contribution.
    ``deadline`` is the task's final one: from then on anyone can claim it (``is_due``).
    ``why`` it is locked, ``sooner`` what would free it before, ``after`` what a claim does with it.
    """

    role: Role
    task_id: TaskId
    deal_id: DealId
    index: int
    block: BlockNumber | None
    amount: NanoRlc
    status: ChainTaskStatus
    deadline: UnixSeconds
    is_due: bool
    why: str
    sooner: str
    after: str


@dataclass(frozen=True, slots=True)
class Stakes:
    """Everything locked of an account; ``other`` is what the blocks searched do not explain.

    ``skipped`` are deals that cannot be read: what they lock is part of ``other``.
    """

    owner: Address
    account: Account
    stakes: tuple[Stake, ...]
    first: BlockNumber
    last: BlockNumber
    now: UnixSeconds
    skipped: tuple[SkippedDeal, ...] = ()

    @property
    def other(self) -> NanoRlc:
        """The rest of the sum."""
        return NanoRlc(self.account.locked - sum(stake.amount for stake in self.stakes))

    @property
    def due_places(self) -> TaskPlaces:
        """Where the tasks are whose claim gives something back; a pool's owner loses by one."""
        return {
            stake.task_id: (stake.deal_id, stake.index)
            for stake in self.stakes
            if stake.is_due and stake.role is not Role.POOL_OWNER
        }


async def stakes_of(hub: Hub, owner: Address, lookback: int = STAKES_LOOKBACK) -> Stakes:
    """Find what an account has locked.

    Args:
        hub: The chain.
        owner: The account.
        lookback: Blocks to search, from the newest back, while something is unexplained.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    for _ in range(ACCOUNT_READS):
        before = (await hub.accounts([owner]))[owner]
        found = await _Search(hub, owner, before, DealReader(hub)).run(lookback)
        if (await hub.accounts([owner]))[owner] == before:
            break
    return found


@dataclass
class _Search:
    """One reading of the chain."""

    hub: Hub
    owner: Address
    account: Account
    reader: DealReader
    contributed: set[TaskId] = field(default_factory=set)
    blocks: dict[DealId, BlockNumber] = field(default_factory=dict)
    categories: Mapping[int, Category] = field(default_factory=dict)

    async def run(self, lookback: int) -> Stakes:
        head = await self.hub.head()
        self.categories = await self.hub.categories()
        first, last = BlockNumber(head.number + 1), head.number
        found: tuple[Stake, ...] = ()
        floor = max(0, head.number - lookback + 1)
        while sum(stake.amount for stake in found) < self.account.locked and first > floor:
            first, upper = (
                BlockNumber(max(floor, first - STAKES_BLOCKS_AT_ONCE)),
                BlockNumber(first - 1),
            )
            events = await self.hub.locks_of(self.owner, first, upper)
            if events:
                await self._note(events)
                found = await self._stakes(head.timestamp)
        skipped = self.reader.skipped
        return Stakes(self.owner, self.account, found, first, last, head.timestamp, skipped)

    async def _note(self, events: tuple[HubEvent, ...]) -> None:
        """Remember deals and contributions."""
        for event in events:
            if event.kind is EventKind.TASK_CONTRIBUTE and event.task_id is not None:
                self.contributed.add(event.task_id)
            elif event.deal_id is not None:
                self.blocks[event.deal_id] = event.block
                await self.reader.read(event.deal_id)

    async def _stakes(self, now: UnixSeconds) -> tuple[Stake, ...]:
        """Look at every task that may lock something, in one batch."""
        bought = {
            task_id: (deal, index)
            for deal in self.reader.deals.values()
            if self.owner in (deal.sponsor, deal.workerpool.owner)
            for index, task_id in deal.tasks()
        }
        asked = {**dict.fromkeys(bought, ()), **dict.fromkeys(self.contributed, (self.owner,))}
        views = {
            each: view for each, view in (await self.hub.tasks(asked)).items() if is_open(view)
        }
        worked = await self._worked(views)
        found = [
            stake
            for places in (bought, worked)
            for task_id, (deal, index) in places.items()
            if task_id in views
            for stake in self._of_task(deal, index, views[task_id], now, worked=places is worked)
        ]
        return tuple(sorted(found, key=lambda stake: (stake.deadline, stake.deal_id, stake.index)))

    async def _worked(self, views: Mapping[TaskId, TaskView]) -> dict[TaskId, tuple[Deal, int]]:
        """Return the places of unfinished tasks that the account contributed to."""
        found = {}
        for task_id in self.contributed & views.keys():
            deal_id = await self.hub.task_deal(task_id)
            deal = await self.reader.read(deal_id) if deal_id else None
            for index, each in deal.tasks() if deal else ():
                if deal and each == task_id:
                    found[task_id] = deal, index
        return found

    def _of_task(
        self, deal: Deal, index: int, view: TaskView, now: UnixSeconds, *, worked: bool
    ) -> Iterator[Stake]:
        deadline = self.categories[deal.category].final_deadline(deal.start_time)

        def stake(role: Role, amount: NanoRlc, why: str, sooner: str, after: str) -> Stake:
            return Stake(
                role, view.task_id, deal.deal_id, index, self.blocks.get(deal.deal_id), amount,
                view.status, deadline, now >= deadline, why, sooner, after,
            )  # fmt: skip

        if worked:
            yield stake(Role.WORKER, deal.worker_stake, *_of_worker(view, self.owner))
            return
        if deal.sponsor == self.owner:
            yield stake(
                Role.REQUESTER, deal.price, "the price of a task that has not ended",
                "paid out when the task completes", "gives it back",
            )  # fmt: skip
        if deal.workerpool.owner == self.owner:
            yield stake(
                Role.POOL_OWNER, scheduler_stake(deal.workerpool.price),
                "30 % of the pool's price: it promised a result",
                "free when the task is finalized", "costs it, to the kitty",
            )  # fmt: skip


def _of_worker(view: TaskView, worker: Address) -> tuple[str, str, str]:
    """Say why a contribution locks stake, what frees it, and what a claim does with it."""
    own = view.contributions[worker]
    if own.status is ContributionStatus.PROVED:
        told = "revealed; the pool has to finalize", "free with the reward when it does"
    elif own.status is ContributionStatus.REJECTED:
        told = "not revealed in time", "lost when the task is finalized"
    elif view.status is ChainTaskStatus.ACTIVE:
        told = "contributed; no consensus yet", "free when finalized, if its result wins"
    elif own.result_hash == view.consensus:
        told = "contributed the consensus; must reveal", "free when revealed and finalized"
    else:
        told = "contributed another result", "lost when the task is finalized"
    return *told, "gives it back"
