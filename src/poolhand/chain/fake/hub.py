"""Reading a fake chain."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from poolhand.chain.fake.assets import predict
from poolhand.chain.fake.blocks import FakeBlock
from poolhand.chain.fake.state import State
from poolhand.domain.category import Category
from poolhand.domain.deal import Account, App, Dataset, Deal, Workerpool
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import (
    Address,
    DealId,
    OrderHash,
    ResultHash,
    ResultSeal,
    TaskId,
    TxHash,
)
from poolhand.domain.movements import Movement, Payment
from poolhand.domain.onchain import (
    ContributionStatus,
    ContributionView,
    CreateAsset,
    EventKind,
    Head,
    HubEvent,
    TaskView,
)
from poolhand.domain.orders.groups import Membership
from poolhand.domain.partial import Partial
from poolhand.domain.reward import KITTY
from poolhand.domain.trust import Score
from poolhand.domain.units import BlockNumber, NanoRlc, Wei
from poolhand.ports.chain import HubFacts
from poolhand.ports.market_chain import SignedHash

if TYPE_CHECKING:
    from poolhand.chain.fake.reach import Reach

K = TypeVar("K")
T = TypeVar("T")
_NOTHING = ContributionView(
    ContributionStatus.UNSET, ResultHash(bytes(32)), ResultSeal(bytes(32)), 0
)


class FakeHub:
    """Implements ``ports.chain.Hub``; every read raises ChainUnreachable during an outage."""

    def __init__(self, reach: Reach) -> None:
        self._reach, self._chain = reach, reach.chain

    @property
    def facts(self) -> HubFacts:
        """Facts fixed when the chain was made."""
        return self._chain.facts

    def _part(self, found: Mapping[K, T]) -> Partial[K, T]:
        lost = self._reach.unreadable
        left = {name: each for name, each in found.items() if name not in lost}
        return Partial(left, dict.fromkeys(found.keys() - left.keys(), "no endpoint has it"))

    def _state(self) -> State:
        self._reach.check_up()
        return self._reach.seen.state

    async def head(self) -> Head:
        """Return the newest block."""
        self._reach.check_up()
        return self._reach.seen.head

    async def block(self, number: BlockNumber) -> Head | None:
        """Return a block by number."""
        return next((each.head for each in self._seen_blocks(number, number)), None)

    async def deal(self, deal_id: DealId) -> Deal | None:
        """Return what a match fixed."""
        return self._state().deals.get(deal_id)

    async def deals(self, asked: Collection[DealId]) -> Partial[DealId, Deal]:
        """Return what matches fixed, of those deals that the chain has."""
        known = self._state().deals
        return Partial({name: known[name] for name in asked if name in known})

    async def tasks(self, asked: Mapping[TaskId, Collection[Address]]) -> Partial[TaskId, TaskView]:
        """Snapshot tasks and the named workers' contributions."""
        state, head = self._state(), self._reach.seen.head
        views = {
            name: replace(
                state.view(name),
                block=head.number,
                block_time=head.timestamp,
                contributions={
                    worker: state.contribution(name, worker) or _NOTHING for worker in workers
                },
            )
            for name, workers in asked.items()
        }
        return self._part(views)

    async def categories(self) -> Partial[int, Category]:
        """Return every category by index."""
        return Partial(dict(self._state().categories))

    async def app(self, address: Address) -> App | None:
        """Return a registered app."""
        return self._state().apps.get(address)

    async def dataset(self, address: Address) -> Dataset | None:
        """Return a registered dataset."""
        return self._state().datasets.get(address)

    async def workerpool(self, address: Address) -> Workerpool | None:
        """Return a registered workerpool."""
        return self._state().pools.get(address)

    async def workerpools_of(self, owner: Address, most: int) -> tuple[Workerpool, ...]:
        """Return the workerpools of an owner, at most ``most``."""
        mine = [pool for pool in self._state().pools.values() if pool.owner == owner]
        return tuple(mine[:most])

    async def predict(self, asset: CreateAsset) -> Address:
        """Return the address that this asset of this owner has, or would have."""
        self._reach.check_up()
        return predict(asset)

    async def accounts(
        self, owners: Iterable[Address], at: Head | None = None
    ) -> Partial[Address, Account]:
        """Return hub accounts (nRLC), of the newest block or of exactly the one named."""
        state = self._state() if at is None else self._state_at(at)
        return self._part(
            {each: Account(state.stake_of(each), state.locked_of(each)) for each in owners}
        )

    def _state_at(self, head: Head) -> State:
        self._reach.check_up()
        newest = self._reach.seen.head.number
        for block in self._chain.blocks():
            if block.head == head and head.number <= newest:
                return block.state
        raise ChainUnreachable(f"the endpoint does not have block {head.number}: wait for it")

    async def scores(self, workers: Iterable[Address]) -> Partial[Address, Score]:
        """Return worker scores."""
        state = self._state()
        return self._part({worker: state.scores.get(worker, Score(0)) for worker in workers})

    async def coin_balances(self, owners: Iterable[Address]) -> Partial[Address, Wei]:
        """Return balances of the chain's coin (wei)."""
        state = self._state()
        return self._part({owner: state.coin_of(owner) for owner in owners})

    async def rlc_balances(self, owners: Iterable[Address]) -> Partial[Address, NanoRlc]:
        """Return RLC held outside the hub (nRLC)."""
        state = self._state()
        return self._part({owner: state.rlc_of(owner) for owner in owners})

    async def taken(self, signatures: Collection[SignedHash]) -> frozenset[SignedHash]:
        """Return the signatures that the hub takes for an account's own."""
        takes = self._state().takes
        return frozenset(each for each in signatures if takes(each.account, each.digest, each.sign))

    async def members(self, asked: Collection[Membership]) -> frozenset[Membership]:
        """Return which accounts belong to which groups."""
        has_member = self._state().has_member
        return frozenset(each for each in asked if has_member(each.group, each.account))

    async def kitty(self) -> NanoRlc:
        """Return what failed tasks left in the kitty (nRLC)."""
        return self._state().locked_of(KITTY)

    async def consumed(self, orders: Iterable[OrderHash]) -> Partial[OrderHash, int]:
        """Return how much of each order is used up."""
        state = self._state()
        return self._part({order: state.consumed.get(order, 0) for order in orders})

    async def deals_of(
        self, workerpool: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return SchedulerNotice events of a workerpool in a block range, in order."""
        return tuple(
            event
            for event in self._events(first)
            if event.block <= last
            and event.kind is EventKind.SCHEDULER_NOTICE
            and event.worker == workerpool
        )

    async def locks_of(
        self, owner: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return what may have locked an account's stake in a block range, in order."""
        return tuple(
            event
            for event in self._events(first)
            if event.block <= last and self._locks(event, owner)
        )

    def _locks(self, event: HubEvent, owner: Address) -> bool:
        if event.kind is EventKind.SCHEDULER_NOTICE and event.deal_id is not None:
            deal = self._chain.state.deals[event.deal_id]
            return owner in (deal.sponsor, deal.workerpool.owner)
        return event.kind is EventKind.TASK_CONTRIBUTE and event.worker == owner

    async def money_of(
        self, owner: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[Movement, ...]:
        """Return what moved an account's RLC inside the hub in a block range."""
        return tuple(
            movement
            for block in self._seen_blocks(first, last)
            for party, movement in block.moved
            if party == owner and movement.amount
        )

    async def acts_of(
        self, parties: Collection[Address], first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return TaskContribute and TaskReveal of workers, TaskInitialize of workerpools."""
        events = [event for block in self._seen_blocks(first, last) for event in block.events]
        return tuple(event for event in events if self._actor(event) in parties)

    def _actor(self, event: HubEvent) -> Address | None:
        if event.kind is EventKind.TASK_INITIALIZE and event.task_id is not None:
            state = self._chain.state
            return state.deals[state.tasks[event.task_id].deal_id].workerpool.address
        acts = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_REVEAL)
        return event.worker if event.kind in acts else None

    async def payments(self, hashes: Iterable[TxHash]) -> Partial[TxHash, Payment]:
        """Return who paid how much for which transaction."""
        wanted = set(hashes)
        found = {
            mined.receipt.tx_hash: Payment(
                mined.sent.sender,
                mined.receipt.gas_used,
                mined.receipt.gas_price,
                block.head.timestamp,
            )
            for block in self._seen_blocks(BlockNumber(0), None)
            for mined in block.mined
            if mined.receipt.tx_hash in wanted
        }
        return Partial(found)

    def _seen_blocks(self, first: BlockNumber, last: BlockNumber | None) -> list[FakeBlock]:
        self._reach.check_up()
        newest = self._reach.seen.head.number
        until = newest if last is None else min(last, newest)
        return [each for each in self._chain.blocks() if first <= each.head.number <= until]

    async def task_events(
        self, task_id: TaskId, first: BlockNumber, last: BlockNumber | None = None
    ) -> tuple[HubEvent, ...]:
        """Return the events of one task in a block range, in order."""
        return tuple(
            event
            for event in self._events(first)
            if event.task_id == task_id and (last is None or event.block <= last)
        )

    async def task_deal(self, task_id: TaskId) -> DealId | None:
        """Return the deal a task belongs to, None before it is initialized."""
        known = self._state().tasks.get(task_id)
        return known.deal_id if known else None

    def _events(self, first: BlockNumber) -> list[HubEvent]:
        self._reach.check_up()
        return [
            event
            for block in self._chain.blocks()
            if first <= block.head.number <= self._reach.seen.head.number
            for event in block.events
        ]
