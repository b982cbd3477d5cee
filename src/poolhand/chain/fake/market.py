"""A chain in memory as a market sees it: assets, stakes, orders used up and closed, blocks, forks.

Of tasks it knows what it is told, so it is quick and can be driven by hand; ``FakeChain`` plays
the rest of PoCo.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from eth_hash.auto import keccak

from poolhand.domain.deal import Account, App, Dataset, Deal, Workerpool
from poolhand.domain.errors import BrokenPrecondition, ChainUnreachable
from poolhand.domain.hashes import task_id as task_id_of
from poolhand.domain.ids import (
    ZERO_ADDRESS,
    Address,
    BlockHash,
    DealId,
    OrderHash,
    ResultHash,
    TaskId,
    TxHash,
)
from poolhand.domain.market.publishing import OrderFacts
from poolhand.domain.market_events import (
    AssetMoved,
    CategoryCreated,
    LogPlace,
    MarketEvent,
    OrderClosed,
    OrdersMatched,
    OrderSort,
    StakeChange,
    StakeChanged,
    TaskHappened,
)
from poolhand.domain.onchain import EventKind, Head
from poolhand.domain.signatures import BadSignature, recover, widen
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, UnixSeconds
from poolhand.ports.market_chain import OrderClaim, SignedHash

FIRST_BLOCK_TIME: Final = 1_700_000_000
_PART: Final = 1_000
"""Blocks in a part of the history."""


@dataclass
class MarketState:
    """What the chain knows after a block."""

    owners: dict[Address, tuple[OrderSort, Address]] = field(default_factory=dict)
    stakes: dict[Address, int] = field(default_factory=dict)
    consumed: dict[OrderHash, int] = field(default_factory=dict)
    deals: dict[DealId, Deal] = field(default_factory=dict)
    task_deals: dict[TaskId, DealId] = field(default_factory=dict)
    texts: dict[Address, tuple[str, bytes]] = field(default_factory=dict)
    contracts: dict[Address, Callable[[bytes, bytes], bool]] = field(default_factory=dict)


@dataclass(frozen=True)
class MarketBlock:
    """A block, what happened in it and what it left."""

    head: Head
    events: tuple[MarketEvent, ...]
    state: MarketState


class FakeMarketChain:
    """Implements ``ports.market_chain.MarketChain``; what is done waits for ``mine``.

    Attributes:
        outage: While True every read raises ChainUnreachable.
        reads: How many times the chain was asked.
        before_read: Called before each read; a test lets the chain move there.
    """

    def __init__(self) -> None:
        self.outage, self.reads = False, 0
        self.before_read: Callable[[], None] = lambda: None
        self._forks = count(1)
        self._fork = 0
        self.state = MarketState()
        self._waiting: list[Callable[[LogPlace], MarketEvent]] = []
        self._blocks: list[MarketBlock] = []
        self.mine()

    # -------------------------------------------------------------------------------- acting

    def register(self, sort: OrderSort, asset: Address, owner: Address) -> None:
        """Create an asset."""
        self.state.owners[asset] = sort, owner
        self._waiting.append(lambda at: AssetMoved(at, sort, asset, ZERO_ADDRESS, owner))

    def describe(self, asset: Address, name: str, location: str = "") -> None:
        """Give an asset a name, and tell where its image or file is."""
        self.state.texts[asset] = name, location.encode()

    def give(self, asset: Address, target: Address) -> None:
        """Give an asset to another owner."""
        sort, source = self.state.owners[asset]
        self.state.owners[asset] = sort, target
        self._waiting.append(lambda at: AssetMoved(at, sort, asset, source, target))

    def deposit(self, owner: Address, amount: int) -> None:
        """Add free stake (nRLC)."""
        self._stake(owner, amount, ZERO_ADDRESS, owner)

    def withdraw(self, owner: Address, amount: int) -> None:
        """Take free stake away (nRLC)."""
        self._stake(owner, -amount, owner, ZERO_ADDRESS)

    def _stake(self, owner: Address, amount: int, source: Address, target: Address) -> None:
        held = self.state.stakes.get(owner, 0) + amount
        if held < 0:
            raise BrokenPrecondition(f"{owner} has not so much stake")
        self.state.stakes[owner] = held
        moved, kind = NanoRlc(abs(amount)), StakeChange.MOVED
        self._waiting.append(lambda at: StakeChanged(at, kind, source, moved, target))

    def close(self, sort: OrderSort, order: OrderHash, volume: int) -> None:
        """Cancel an order."""
        self.state.consumed[order] = volume
        self._waiting.append(lambda at: OrderClosed(at, sort, order))

    def match(self, orders: tuple[OrderHash, OrderHash, OrderHash, OrderHash], deal: Deal) -> None:
        """Match orders into a deal; stakes are moved by ``withdraw``."""
        for order in orders:
            used = self.state.consumed.get(order, 0)
            self.state.consumed[order] = used + deal.bot_size
        moment = UnixSeconds(FIRST_BLOCK_TIME + len(self._blocks))
        self.state.deals[deal.deal_id] = replace(deal, start_time=moment)
        size = deal.bot_size
        self._waiting.append(lambda at: OrdersMatched(at, deal.deal_id, orders, size))

    def initialize(self, deal: Deal, index: int) -> TaskId:
        """Initialize a task of a deal; returns its name."""
        task_id = task_id_of(deal.deal_id, index)
        self.state.task_deals[task_id] = deal.deal_id
        self.happen(EventKind.TASK_INITIALIZE, task_id, deal.workerpool.address)
        return task_id

    def happen(
        self,
        kind: EventKind,
        task_id: TaskId,
        party: Address | None = None,
        result_hash: ResultHash | None = None,
        results: bytes = b"",
    ) -> None:
        """Let something happen to a task that was initialized."""
        told = (kind, task_id, party, result_hash, results)
        self._waiting.append(lambda at: TaskHappened(at, *told))

    def pay(self, owner: Address, amount: int, task_id: TaskId) -> None:
        """Reward somebody for a task (nRLC)."""
        self.state.stakes[owner] = self.state.stakes.get(owner, 0) + amount
        paid, change = NanoRlc(amount), StakeChange.REWARDED
        self._waiting.append(lambda at: StakeChanged(at, change, owner, paid, task_id=task_id))

    def seize(self, owner: Address, amount: int, task_id: TaskId) -> None:
        """Take what somebody has locked for a task (nRLC)."""
        taken, change = NanoRlc(amount), StakeChange.SEIZED
        self._waiting.append(lambda at: StakeChanged(at, change, owner, taken, task_id=task_id))

    def create_category(self, index: int, name: str, time_ref: int) -> None:
        """Create a category."""
        self._waiting.append(lambda at: CategoryCreated(at, index, name, "", Seconds(time_ref)))

    def deploy(self, account: Address, accepts: Callable[[bytes, bytes], bool]) -> None:
        """Make an account a contract that judges signatures itself (ERC-1271)."""
        self.state.contracts[account] = accepts

    def mine(self) -> Head:
        """Put what was done into a block."""
        number = len(self._blocks)
        parent = self._blocks[-1].head.block_hash if self._blocks else BlockHash(bytes(32))
        name = BlockHash(keccak(f"{self._fork}:{number}:{parent}".encode()))
        moment = UnixSeconds(FIRST_BLOCK_TIME + number)
        head = Head(BlockNumber(number), name, parent, moment, None, None)
        events = []
        for index, make in enumerate(self._waiting):
            tx_hash = TxHash(keccak(f"{name}:{index}".encode()))
            events.append(make(LogPlace(head.number, index, name, tx_hash)))
        self._waiting = []
        self._blocks.append(MarketBlock(head, tuple(events), deepcopy(self.state)))
        return head

    def reorganise(self, depth: int) -> None:
        """Take the newest blocks back, with all that happened in them; none replaces them yet.

        What is done and mined next stands in other blocks of the same numbers.
        """
        if not 0 < depth < len(self._blocks):
            raise BrokenPrecondition(f"cannot take back {depth} blocks")
        del self._blocks[-depth:]
        self._fork = next(self._forks)
        self._waiting = []
        self.state = deepcopy(self._blocks[-1].state)

    # -------------------------------------------------------------------------------- reading

    def _look(self) -> None:
        self.before_read()
        self.reads += 1
        if self.outage:
            raise ChainUnreachable("the chain is cut off: wait")

    def _at(self, head: Head) -> MarketBlock:
        self._look()
        if head.number < len(self._blocks) and self._blocks[head.number].head == head:
            return self._blocks[head.number]
        raise ChainUnreachable(f"no endpoint has block {head.number} any more")

    async def head(self) -> Head:
        """Return the newest block."""
        self._look()
        return self._blocks[-1].head

    async def blocks(self, numbers: Iterable[BlockNumber]) -> Sequence[Head | None]:
        """Return blocks by number."""
        self._look()
        have = len(self._blocks)
        return [self._blocks[each].head if each < have else None for each in numbers]

    async def events_of(self, heads: Sequence[Head]) -> tuple[MarketEvent, ...]:
        """Return what happened in exactly these blocks."""
        return tuple(event for head in heads for event in self._at(head).events)

    async def history(
        self, first: BlockNumber, last: BlockNumber
    ) -> AsyncIterator[tuple[BlockNumber, tuple[MarketEvent, ...]]]:
        """Yield what happened in a range, part by part."""
        for begin in range(first, last + 1, _PART):
            self._look()
            end = min(begin + _PART - 1, last)
            part = self._blocks[begin : end + 1]
            yield BlockNumber(end), tuple(event for block in part for event in block.events)

    async def consumed(self, orders: Iterable[OrderHash], at: Head) -> Mapping[OrderHash, int]:
        """Return how much of each order is used up."""
        state = self._at(at).state
        return {order: state.consumed.get(order, 0) for order in orders}

    async def stakes(self, owners: Iterable[Address], at: Head) -> Mapping[Address, NanoRlc]:
        """Return free stakes."""
        state = self._at(at).state
        return {owner: NanoRlc(state.stakes.get(owner, 0)) for owner in owners}

    async def owners(self, assets: Iterable[Address], at: Head) -> Mapping[Address, Address]:
        """Return who owns assets."""
        state = self._at(at).state
        nobody = OrderSort.APP, ZERO_ADDRESS
        return {asset: state.owners.get(asset, nobody)[1] for asset in assets}

    async def task_deals(self, tasks: Iterable[TaskId], at: Head) -> Mapping[TaskId, DealId]:
        """Return of which deals tasks are."""
        known = self._at(at).state.task_deals
        return {name: known[name] for name in tasks if name in known}

    async def app(self, address: Address) -> App | None:
        """Return a registered app, as it was described."""
        found = self._asset(OrderSort.APP, address)
        return found and App(address, found[0], found[1], "DOCKER", found[2], bytes(32), b"")

    async def dataset(self, address: Address) -> Dataset | None:
        """Return a registered dataset, as it was described."""
        found = self._asset(OrderSort.DATASET, address)
        return found and Dataset(address, found[0], found[1], found[2], bytes(32))

    async def workerpool(self, address: Address) -> Workerpool | None:
        """Return a registered workerpool, as it was described."""
        found = self._asset(OrderSort.WORKERPOOL, address)
        return found and Workerpool(address, found[0], found[1], 30, 1)

    async def accounts(self, owners: Iterable[Address]) -> Mapping[Address, Account]:
        """Return accounts; nothing is locked here."""
        self._look()
        stakes = self.state.stakes
        return {each: Account(NanoRlc(stakes.get(each, 0)), NanoRlc(0)) for each in owners}

    def _asset(self, sort: OrderSort, address: Address) -> tuple[Address, str, bytes] | None:
        self._look()
        of, owner = self.state.owners.get(address, (None, ZERO_ADDRESS))
        return (owner, *self.state.texts.get(address, ("", b""))) if of is sort else None

    async def deals(self, names: Iterable[DealId], at: Head) -> Mapping[DealId, Deal]:
        """Return what matches fixed."""
        state = self._at(at).state
        return {name: state.deals[name] for name in names if name in state.deals}

    async def order_facts(self, claims: Sequence[OrderClaim], at: Head) -> tuple[OrderFacts, ...]:
        """Return what is to be known before orders are published."""
        state = self._at(at).state
        return tuple(_facts(state, each) for each in claims)

    async def vouches(self, signed: SignedHash, at: Head) -> bool:
        """Tell whether an account that is a contract takes a signature for its own."""
        state = self._at(at).state
        return signed.account in state.contracts and _is_signed(state, signed)


def _facts(state: MarketState, claim: OrderClaim) -> OrderFacts:
    signed = claim.signed
    of, registered = state.owners.get(claim.resource, (claim.sort, None))
    owner = registered if of is claim.sort else None
    if claim.sort is OrderSort.REQUEST:
        owner = claim.resource
    used = state.consumed.get(OrderHash(signed.digest), 0)
    stake = NanoRlc(state.stakes.get(signed.account, 0))
    return OrderFacts(owner, _is_signed(state, signed), used, stake)


def _is_signed(state: MarketState, signed: SignedHash) -> bool:
    accepts = state.contracts.get(signed.account)
    if accepts is not None:
        return accepts(signed.digest, signed.sign)
    try:
        return recover(signed.digest, widen(signed.sign)) == signed.account
    except BadSignature:
        return False
