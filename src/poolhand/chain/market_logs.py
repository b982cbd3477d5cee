"""Logs that a market follows: asking the hub and its registries for them, and reading them.

A registry's ``Transfer`` (ERC-721, four topics) has the name and topic of the hub's own (three):
the address that logged it tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_hash.auto import keccak

from poolhand.chain import abi
from poolhand.chain.link import Query
from poolhand.chain.logs import TOPICS, scan
from poolhand.chain.money import TRANSFER
from poolhand.chain.refusal import LOGS
from poolhand.chain.rpc import Rpc
from poolhand.domain.ids import (
    Address,
    BlockHash,
    DealId,
    OrderHash,
    ResultHash,
    TaskId,
    TxHash,
)
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
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds
from poolhand.ports.chain import HubFacts


def _topic(signature: str) -> str:
    return "0x" + keccak(signature.encode()).hex()


_CLOSED: Final = {
    _topic("ClosedAppOrder(bytes32)"): OrderSort.APP,
    _topic("ClosedDatasetOrder(bytes32)"): OrderSort.DATASET,
    _topic("ClosedWorkerpoolOrder(bytes32)"): OrderSort.WORKERPOOL,
    _topic("ClosedRequestOrder(bytes32)"): OrderSort.REQUEST,
}
_STAKES: Final = {
    _topic("Lock(address,uint256)"): StakeChange.LOCKED,
    _topic("Unlock(address,uint256)"): StakeChange.UNLOCKED,
    _topic("Seize(address,uint256,bytes32)"): StakeChange.SEIZED,
    _topic("Reward(address,uint256,bytes32)"): StakeChange.REWARDED,
}
_MATCHED: Final = _topic("OrdersMatched(bytes32,bytes32,bytes32,bytes32,bytes32,uint256)")
_CATEGORY: Final = _topic("CreateCategory(uint256,string,string,uint256)")
_TASKS: Final = {
    topic: kind for kind, topic in TOPICS.items() if kind is not EventKind.SCHEDULER_NOTICE
}
_WITH_PARTY: Final = (
    EventKind.TASK_INITIALIZE, EventKind.TASK_CONTRIBUTE, EventKind.TASK_REVEAL,
)  # fmt: skip
_WITH_HASH: Final = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_CONSENSUS)
_LARGEST: Final = 2**63 - 1
"""Above this a category is nobody's: the hub numbers them from 0."""


@dataclass(frozen=True, slots=True)
class MarketFilter:
    """Asks for all that a market follows; by block or by range, as ``LogFilter`` does."""

    facts: HubFacts

    def of_blocks(
        self, heads: Sequence[Head], by_hash: bool, /
    ) -> list[Query[tuple[MarketEvent, ...]]]:
        """Ask for the logs of single blocks; by hash, who has not this very block refuses."""
        if by_hash:
            where = ({"blockHash": str(head.block_hash)} for head in heads)
            return [self._query(each, f"{LOGS} by block hash") for each in where]
        return [self.in_range(head.number, head.number) for head in heads]

    def in_range(self, first: int, last: int) -> Query[tuple[MarketEvent, ...]]:
        """Ask for the logs of a range; a node that has not all of it may leave some out."""
        return self._query({"fromBlock": hex(first), "toBlock": hex(last)})

    def _query(self, where: dict[str, str], form: str = "") -> Query[tuple[MarketEvent, ...]]:
        addresses = [str(self.facts.hub), *map(str, self._registries)]
        topics = [[*_CLOSED, *_STAKES, TRANSFER, _MATCHED, _CATEGORY, *_TASKS]]
        asked = {"address": addresses, "topics": topics, **where}
        return Query(LOGS, (asked,), self._read_all, form=form)

    @property
    def _registries(self) -> dict[Address, OrderSort]:
        facts = self.facts
        return {
            facts.app_registry: OrderSort.APP,
            facts.dataset_registry: OrderSort.DATASET,
            facts.workerpool_registry: OrderSort.WORKERPOOL,
        }

    def _read_all(self, raw: Any) -> tuple[MarketEvent, ...]:
        events = [self.read(each) for each in raw if not each.get("removed")]
        return tuple(sorted(events, key=lambda event: event.place))

    def read(self, raw: Mapping[str, Any]) -> MarketEvent:
        """Read a log; raises KeyError, IndexError, TypeError or ValueError on nonsense."""
        topics, data, place = raw["topics"], str(raw["data"]), _place(raw)
        if (sort := self._registries.get(Address.parse(raw["address"]))) is not None:
            source, target, asset = (_address(each) for each in topics[1:4])
            return AssetMoved(place, sort, asset, source, target)
        if topics[0] in _TASKS:
            return _task(place, _TASKS[topics[0]], topics, data)
        if topics[0] in _OTHERS:
            return _OTHERS[topics[0]](place, data)
        if topics[0] in _CLOSED:
            return OrderClosed(place, _CLOSED[topics[0]], OrderHash.parse(data[:66]))
        if topics[0] == TRANSFER:
            source, target = (_address(each) for each in topics[1:3])
            return StakeChanged(place, StakeChange.MOVED, source, _amount(data, 0), target)
        change = _STAKES[topics[0]]
        named = change in (StakeChange.SEIZED, StakeChange.REWARDED)
        task_id = TaskId.parse("0x" + _word(data, 2)) if named else None
        owner = _address(_word(data, 0))
        return StakeChanged(place, change, owner, _amount(data, 1), task_id=task_id)


def _matched(place: LogPlace, data: str) -> OrdersMatched:
    words = [_word(data, number) for number in range(6)]
    app, dataset, pool, request = (OrderHash.parse(f"0x{each}") for each in words[1:5])
    deal_id = DealId.parse(f"0x{words[0]}")
    return OrdersMatched(place, deal_id, (app, dataset, pool, request), int(words[5], 16))


def _task(place: LogPlace, kind: EventKind, topics: Sequence[str], data: str) -> TaskHappened:
    results = b""
    if kind is EventKind.TASK_FINALIZE:
        (results,) = abi_decode(["bytes"], abi.raw_bytes(data))
    return TaskHappened(
        place,
        kind,
        TaskId.parse(topics[1]),
        party=_address(topics[2]) if kind in _WITH_PARTY else None,
        result_hash=ResultHash.parse(data[:66]) if kind in _WITH_HASH else None,
        results=results,
    )


def _category(place: LogPlace, data: str) -> CategoryCreated:
    kinds = ["uint256", "bytes", "bytes", "uint256"]  # nothing promises that texts are UTF-8
    index, name, description, time_ref = abi_decode(kinds, abi.raw_bytes(data))
    if max(index, time_ref) > _LARGEST:
        raise ValueError(f"category {index} is none that a hub makes")
    told, more = (each.decode(errors="replace") for each in (name, description))
    return CategoryCreated(place, index, told, more, Seconds(time_ref))


_OTHERS: Final[Mapping[str, Callable[[LogPlace, str], MarketEvent]]] = {
    _MATCHED: _matched,
    _CATEGORY: _category,
}


async def market_events(
    rpc: Rpc, facts: HubFacts, first: BlockNumber, last: BlockNumber
) -> tuple[MarketEvent, ...]:
    """Return what a market follows in a block range, in order.

    Raises:
        ChainUnreachable: No endpoint answered.
    """
    found: list[MarketEvent] = []
    async for _, events in scan(rpc, MarketFilter(facts), first, last):
        found += events
    return tuple(found)


def _place(raw: Mapping[str, Any]) -> LogPlace:
    return LogPlace(
        BlockNumber(abi.quantity(raw["blockNumber"])),
        abi.quantity(raw["logIndex"]),
        BlockHash(abi.raw_bytes(raw["blockHash"])),
        TxHash(abi.raw_bytes(raw["transactionHash"])),
    )


def _word(data: str, number: int) -> str:
    return data[2 + 64 * number : 66 + 64 * number]


def _amount(data: str, number: int) -> NanoRlc:
    return NanoRlc(int(_word(data, number), 16))


def _address(word: str) -> Address:
    return Address.parse("0x" + word[-40:])
