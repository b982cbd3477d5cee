"""What an account has bought, newest first: found in the hub's events and in what is remembered.

The search goes back from the newest block and ends when enough is found, or at its limit, which is
told; deals that this machine remembers are found however old they are. Nothing but the chain is
asked how they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from poolhand.chain.deal_reader import DealReader, SkippedDeal
from poolhand.domain.category import Category
from poolhand.domain.deal import Deal
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus, TaskView
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.ports.chain import Hub
from poolhand.requester.remembered import RememberedDeals

LISTING_BLOCKS_AT_ONCE: Final = 10_000
"""Blocks searched at once."""
LISTING_LOOKBACK: Final = 100_000
"""Blocks searched in all, unless told otherwise."""


class Standing(StrEnum):
    """How a bought task stands, as the chain alone tells it."""

    WAITING = "WAITING"
    ACTIVE = "ACTIVE"
    REVEALING = "REVEALING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CLAIMABLE = "CLAIMABLE"


_WORDS: Final = {
    ChainTaskStatus.UNSET: Standing.WAITING,
    ChainTaskStatus.ACTIVE: Standing.ACTIVE,
    ChainTaskStatus.REVEALING: Standing.REVEALING,
    ChainTaskStatus.COMPLETED: Standing.COMPLETED,
    ChainTaskStatus.FAILED: Standing.FAILED,
}
_ENDED: Final = {Standing.COMPLETED, Standing.FAILED}


@dataclass(frozen=True, slots=True)
class BoughtTask:
    """One task of a deal."""

    deal: Deal
    index: int
    view: TaskView
    deadline: UnixSeconds

    @property
    def task_id(self) -> TaskId:
        """The task."""
        return self.view.task_id

    @property
    def standing(self) -> Standing:
        """How it stands; past its final deadline without an end it is to be claimed."""
        word = _WORDS[self.view.status]
        late = self.view.block_time >= self.deadline
        return Standing.CLAIMABLE if late and word not in _ENDED else word

    @property
    def is_open(self) -> bool:
        """Whether something is still owed: a result, or the price back."""
        return self.standing not in _ENDED


@dataclass(frozen=True, slots=True)
class BoughtDeal:
    """A deal and its tasks."""

    deal: Deal
    tasks: tuple[BoughtTask, ...]

    @property
    def is_open(self) -> bool:
        """Whether any task is."""
        return any(task.is_open for task in self.tasks)

    @property
    def counts(self) -> dict[Standing, int]:
        """Tasks by how they stand, in the order of a task's life."""
        standings = [task.standing for task in self.tasks]
        return {each: standings.count(each) for each in Standing if each in standings}


@dataclass(frozen=True, slots=True)
class Bought:
    """Deals, newest first; ``first`` and ``last`` are the blocks that were searched.

    ``is_whole`` tells that no older deal can be: the search reached the chain's beginning.
    ``skipped`` are deals that cannot be read.
    """

    owner: Address
    deals: tuple[BoughtDeal, ...]
    first: BlockNumber
    last: BlockNumber
    now: UnixSeconds
    skipped: tuple[SkippedDeal, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the search reached the chain's beginning."""
        return self.first == 0


async def bought_by(
    hub: Hub,
    owner: Address,
    known: RememberedDeals,
    wanted: int,
    *,
    lookback: int = LISTING_LOOKBACK,
    only_open: bool = False,
) -> Bought:
    """Find the newest deals that an account asked or paid for.

    Args:
        hub: The chain.
        owner: The account.
        known: Deals that are remembered here.
        wanted: How many at most.
        lookback: Blocks to search, from the newest back.
        only_open: Leave out deals all of whose tasks have ended.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    return await _Finder(hub, owner, wanted, only_open, DealReader(hub)).run(known, lookback)


@dataclass
class _Finder:
    """One search."""

    hub: Hub
    owner: Address
    wanted: int
    only_open: bool
    reader: DealReader
    categories: Mapping[int, Category] = field(default_factory=dict)
    seen: dict[DealId, BoughtDeal | None] = field(default_factory=dict)

    async def run(self, known: RememberedDeals, lookback: int) -> Bought:
        head = await self.hub.head()
        self.categories = await self.hub.categories()
        first, floor = head.number + 1, max(0, head.number - lookback + 1)
        while first > floor and self._count() < self.wanted:
            first, upper = max(floor, first - LISTING_BLOCKS_AT_ONCE), first - 1
            events = await self.hub.locks_of(self.owner, BlockNumber(first), BlockNumber(upper))
            for event in reversed(events):
                await self._take(event.deal_id)
        await self._remember(known)
        found = [deal for deal in self.seen.values() if deal is not None]
        found.sort(key=lambda each: (each.deal.start_time, each.deal.deal_id), reverse=True)
        deals = tuple(found[: self.wanted])
        return Bought(
            self.owner, deals, BlockNumber(first), head.number, head.timestamp, self.reader.skipped
        )

    async def _remember(self, known: RememberedDeals) -> None:
        """Add the newest that are remembered and were not met on the way."""
        before = self._count()
        for deal_id in reversed(known.read()):
            if self._count() >= before + self.wanted:
                return
            await self._take(deal_id)

    def _count(self) -> int:
        return sum(1 for deal in self.seen.values() if deal is not None)

    async def _take(self, deal_id: DealId | None) -> None:
        if deal_id is None or deal_id in self.seen:
            return
        deal = await self.reader.read(deal_id)
        ours = deal is not None and self.owner in (deal.requester, deal.sponsor)
        found = await self._read_or_skip(deal) if deal and ours else None
        self.seen[deal_id] = None if found and self.only_open and not found.is_open else found

    async def _read_or_skip(self, deal: Deal) -> BoughtDeal | None:
        try:
            return await self._read(deal)
        except ChainUnreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is this deal's alone
            self.reader.skip(deal.deal_id, fault)
            return None

    async def _read(self, deal: Deal) -> BoughtDeal:
        final = self.categories[deal.category].final_deadline(deal.start_time)
        views = await self.hub.tasks({task_id: () for _, task_id in deal.tasks()})
        tasks = (BoughtTask(deal, index, views[name], final) for index, name in deal.tasks())
        return BoughtDeal(deal, tuple(tasks))
