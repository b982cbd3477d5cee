"""Reading the PoCo hub: many views in few round trips."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from poolhand.chain import abi, money
from poolhand.chain.assets import AssetReader
from poolhand.chain.encode import encode_prediction
from poolhand.chain.link import Query
from poolhand.chain.locks import locks_of
from poolhand.chain.logs import (
    TOPICS,
    every_event,
    header,
    hub_events,
    newest_head,
    read_all,
    topic,
)
from poolhand.chain.parts import partial_of, read_each
from poolhand.chain.rpc import Rpc
from poolhand.chain.snapshot import at_blocks, call_block
from poolhand.chain.vouching import members_of, signatures_taken
from poolhand.domain.category import Category
from poolhand.domain.deal import Account, App, Dataset, Deal, Workerpool
from poolhand.domain.ids import Address, DealId, FixedBytes, OrderHash, TaskId, TxHash
from poolhand.domain.movements import Movement, Payment
from poolhand.domain.onchain import (
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

T = TypeVar("T")
KeyT = TypeVar("KeyT", bound=FixedBytes)
DEALS_KEPT: Final = 4096


class PocoHub:
    """Implements ``ports.chain.Hub``.

    Args:
        rpc: The endpoints.
        facts: Of the hub; its address is also the ``from`` of reads, which Arbitrum demands.
    """

    def __init__(self, rpc: Rpc, facts: HubFacts) -> None:
        self._rpc, self._facts = rpc, facts
        self._assets = AssetReader(rpc, facts)
        self._deals: OrderedDict[DealId, Deal] = OrderedDict()
        self._categories: dict[int, Category] = {}

    @property
    def facts(self) -> HubFacts:
        """Facts read once at connection."""
        return self._facts

    async def head(self) -> Head:
        """Return the newest block."""
        return await newest_head(self._rpc)

    async def block(self, number: BlockNumber) -> Head | None:
        """Return a block by number."""
        return await self._rpc.ask(header(number))

    async def deal(self, deal_id: DealId) -> Deal | None:
        """Return what a match fixed."""
        return (await self.deals((deal_id,))).get(deal_id)

    async def deals(self, asked: Collection[DealId]) -> Partial[DealId, Deal]:
        """Return what matches fixed, of those deals that the chain has, in one batch."""
        known = {name: self._deals[name] for name in asked if name in self._deals}
        left = [name for name in asked if name not in known]
        told = await read_each(self._rpc, left, [self._deal(name) for name in left])
        known |= {name: deal for name, deal in told.found.items() if deal is not None}
        for name, deal in known.items():
            self._deals[name] = deal
            self._deals.move_to_end(name)
        while len(self._deals) > DEALS_KEPT:
            self._deals.popitem(last=False)
        return Partial(known, told.failed)

    def _deal(self, deal_id: DealId) -> Query[Deal | None]:
        data = abi.calldata("viewDeal(bytes32)", deal_id)
        return self._view(data, lambda raw: abi.deal(raw, deal_id))

    def forget_deals(self) -> None:
        """After a re-organisation a deal may have been matched anew, at another time."""
        self._deals.clear()

    async def tasks(self, asked: Mapping[TaskId, Collection[Address]]) -> Partial[TaskId, TaskView]:
        """Snapshot tasks and, of each, the named workers' contributions, all at one block."""
        if not asked:
            return Partial({})
        head = await self.head()
        pairs = [(name, worker) for name, workers in asked.items() for worker in workers]

        def ask(by_hash: bool) -> list[Query[Any]]:
            at = call_block(head, by_hash)
            queries: list[Query[Any]] = [self._task(name, head, at) for name in asked]
            return queries + [self._contribution(name, worker, at) for name, worker in pairs]

        answers = await at_blocks(self._rpc, [head], ask, whole=False)
        views = partial_of(asked, answers[: len(asked)])
        return _with(views, partial_of(pairs, answers[len(asked) :]))

    def _task(self, name: TaskId, head: Head, at: Any) -> Query[TaskView]:
        data = abi.calldata("viewTask(bytes32)", name)
        return self._view(data, lambda raw: abi.task(raw, name, head), at)

    def _contribution(self, name: TaskId, worker: Address, at: Any) -> Query[ContributionView]:
        data = abi.calldata("viewContribution(bytes32,address)", name, worker)
        return self._view(data, abi.contribution, at)

    async def task_deal(self, task_id: TaskId) -> DealId | None:
        """Return the deal a task belongs to, None before ``initialize``."""
        return await self._rpc.ask(
            self._view(abi.calldata("viewTask(bytes32)", task_id), abi.task_deal)
        )

    async def categories(self) -> Partial[int, Category]:
        """Return every category by index; those known are not read again, they never change."""
        count = await self._rpc.ask(self._view(abi.calldata("countCategory()"), abi.word))
        new = [index for index in range(count) if index not in self._categories]
        told = await read_each(self._rpc, new, [self._category(index) for index in new])
        self._categories.update(told.found)
        return Partial(dict(self._categories), told.failed)

    def _category(self, index: int) -> Query[Category]:
        data = abi.calldata("viewCategory(uint256)", index)
        return self._view(data, lambda raw: abi.category(raw, index))

    async def app(self, address: Address) -> App | None:
        """Return a registered app."""
        return await self._assets.app(address)

    async def dataset(self, address: Address) -> Dataset | None:
        """Return a registered dataset."""
        return await self._assets.dataset(address)

    async def workerpool(self, address: Address) -> Workerpool | None:
        """Return a registered workerpool."""
        return await self._assets.workerpool(address)

    async def workerpools_of(self, owner: Address, most: int) -> tuple[Workerpool, ...]:
        """Return the workerpools of an owner, at most ``most``."""
        return await self._assets.workerpools_of(owner, most)

    async def predict(self, asset: CreateAsset) -> Address:
        """Return the address that this asset of this owner has, or would have (CREATE2)."""
        asked = encode_prediction(asset, self._facts)
        return await self._rpc.ask(self._view("0x" + asked.data.hex(), abi.address, to=asked.to))

    async def accounts(
        self, owners: Iterable[Address], at: Head | None = None
    ) -> Partial[Address, Account]:
        """Return hub accounts (nRLC), of the newest block or of exactly the one named."""
        if at is None:
            return await self._each(owners, "viewAccount(address)", abi.account)
        names = tuple(owners)

        def ask(by_hash: bool) -> list[Query[Account]]:
            return self._views(names, "viewAccount(address)", abi.account, call_block(at, by_hash))

        if not names:
            return Partial({})
        return partial_of(names, await at_blocks(self._rpc, [at], ask, whole=False))

    async def scores(self, workers: Iterable[Address]) -> Partial[Address, Score]:
        """Return worker scores."""
        return await self._each(workers, "viewScore(address)", lambda raw: Score(abi.word(raw)))

    async def consumed(self, orders: Iterable[OrderHash]) -> Partial[OrderHash, int]:
        """Return how much of each order is used up."""
        return await self._each(orders, "viewConsumed(bytes32)", abi.word)

    async def taken(self, signatures: Collection[SignedHash]) -> frozenset[SignedHash]:
        """Return the signatures that the hub takes for an account's own."""
        return await signatures_taken(self._rpc, self._facts.hub, signatures)

    async def members(self, asked: Collection[Membership]) -> frozenset[Membership]:
        """Return which accounts belong to which groups."""
        return await members_of(self._rpc, self._facts.hub, asked)

    async def kitty(self) -> NanoRlc:
        """Return what failed tasks left in the kitty (nRLC)."""
        return NanoRlc(
            await self._rpc.ask(self._view(abi.calldata("frozenOf(address)", KITTY), abi.word))
        )

    async def coin_balances(self, owners: Iterable[Address]) -> Partial[Address, Wei]:
        """Return balances of the chain's coin (wei)."""
        names = tuple(owners)
        queries = [
            Query("eth_getBalance", (str(name), "latest"), lambda raw: Wei(abi.quantity(raw)))
            for name in names
        ]
        return await read_each(self._rpc, names, queries)

    async def rlc_balances(self, owners: Iterable[Address]) -> Partial[Address, NanoRlc]:
        """Return RLC held outside the hub (nRLC); on native chains whole nRLC of coin."""
        if self._facts.rlc is None:
            coins = await self.coin_balances(owners)
            held = {owner: NanoRlc(coin // 10**9) for owner, coin in coins.found.items()}
            return Partial(held, coins.failed)
        return await self._each(
            owners, "balanceOf(address)", lambda raw: NanoRlc(abi.word(raw)), self._facts.rlc
        )

    async def deals_of(
        self, workerpool: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return SchedulerNotice events of a workerpool in a block range, in chunks, in order."""
        notices = [TOPICS[EventKind.SCHEDULER_NOTICE]]
        wanted = hub_events(self._facts.hub, notices, topic(workerpool))
        return await read_all(self._rpc, wanted, first, last)

    async def locks_of(
        self, owner: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return what may have locked an account's stake in a block range, in order."""
        return await locks_of(self._rpc, self._facts.hub, owner, first, last)

    async def money_of(
        self, owner: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[Movement, ...]:
        """Return what moved an account's RLC inside the hub in a block range."""
        return await money.money_of(self._rpc, self._facts.hub, owner, first, last)

    async def acts_of(
        self, parties: Collection[Address], first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return TaskContribute and TaskReveal of workers, TaskInitialize of workerpools."""
        return await money.acts_of(self._rpc, self._facts.hub, parties, first, last)

    async def payments(self, hashes: Iterable[TxHash]) -> Partial[TxHash, Payment]:
        """Return who paid how much for which transaction."""
        return await money.payments(self._rpc, hashes)

    async def task_events(
        self, task_id: TaskId, first: BlockNumber, last: BlockNumber | None = None
    ) -> tuple[HubEvent, ...]:
        """Return the events of one task in a block range, in order."""
        wanted = every_event(self._facts.hub, topic(task_id))
        newest = (await self.head()).number
        end = newest if last is None else min(last, newest)
        return await read_all(self._rpc, wanted, first, end)

    async def _each(
        self,
        names: Iterable[KeyT],
        signature: str,
        read: Callable[[Any], T],
        to: Address | None = None,
    ) -> Partial[KeyT, T]:
        """Read one view of many names in one batch."""
        asked = tuple(names)
        queries = self._views(asked, signature, read, "latest", to)
        return await read_each(self._rpc, asked, queries)

    def _views(
        self,
        names: Iterable[KeyT],
        signature: str,
        read: Callable[[Any], T],
        at: Any,
        to: Address | None = None,
    ) -> list[Query[T]]:
        return [self._view(abi.calldata(signature, name), read, at, to) for name in names]

    def _view(
        self, data: str, read: Callable[[Any], T], at: Any = "latest", to: Address | None = None
    ) -> Query[T]:
        hub = str(self._facts.hub)
        asked = {"from": hub, "to": hub if to is None else str(to), "data": data}
        form = "" if isinstance(at, str) else "eth_call by block hash"
        return Query("eth_call", (asked, at), read, form=form)


def _with(
    views: Partial[TaskId, TaskView],
    contributions: Partial[tuple[TaskId, Address], ContributionView],
) -> Partial[TaskId, TaskView]:
    """Put contributions into the views of their tasks; a task that lacks one is missing."""
    made: dict[TaskId, dict[Address, ContributionView]] = {name: {} for name in views.found}
    for (name, worker), found in contributions.found.items():
        if name in made:
            made[name][worker] = found
    failed = {**{name: why for (name, _), why in contributions.failed.items()}, **views.failed}
    whole = {
        name: replace(view, contributions=made[name])
        for name, view in views.found.items()
        if name not in failed
    }
    return Partial(whole, failed)
