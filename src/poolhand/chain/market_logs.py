"""Logs that a market follows: asking the hub and its registries for them, and reading them.

A registry's ``Transfer`` (ERC-721, four topics) has the name and topic of the hub's own (three):
the address that logged it tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode as abi_decode

from poolhand.chain import abi
from poolhand.chain.logs import (
    OF_RESULT,
    TOPICS,
    TRANSFER,
    LogFilter,
    address_of,
    event_topic,
    word,
)
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
from poolhand.domain.onchain import EventKind
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds
from poolhand.ports.chain import HubFacts

_CLOSED: Final = {
    event_topic("ClosedAppOrder(bytes32)"): OrderSort.APP,
    event_topic("ClosedDatasetOrder(bytes32)"): OrderSort.DATASET,
    event_topic("ClosedWorkerpoolOrder(bytes32)"): OrderSort.WORKERPOOL,
    event_topic("ClosedRequestOrder(bytes32)"): OrderSort.REQUEST,
}
_STAKES: Final = {
    event_topic("Lock(address,uint256)"): StakeChange.LOCKED,
    event_topic("Unlock(address,uint256)"): StakeChange.UNLOCKED,
    event_topic("Seize(address,uint256,bytes32)"): StakeChange.SEIZED,
    event_topic("Reward(address,uint256,bytes32)"): StakeChange.REWARDED,
}
_MATCHED: Final = event_topic("OrdersMatched(bytes32,bytes32,bytes32,bytes32,bytes32,uint256)")
_CATEGORY: Final = event_topic("CreateCategory(uint256,string,string,uint256)")
_TASKS: Final = {
    topic: kind for kind, topic in TOPICS.items() if kind is not EventKind.SCHEDULER_NOTICE
}
_WITH_PARTY: Final = (
    EventKind.TASK_INITIALIZE, EventKind.TASK_CONTRIBUTE, EventKind.TASK_REVEAL,
)  # fmt: skip
_LARGEST_CATEGORY: Final = 2**63 - 1
"""Above this a category is nobody's: the hub numbers them from 0."""


def market_filter(facts: HubFacts) -> LogFilter[MarketEvent]:
    """Return all that a market follows."""
    read = MarketLogs.of(facts)
    addresses = [str(facts.hub), *map(str, read.registries)]
    topics = [*_CLOSED, *_STAKES, TRANSFER, _MATCHED, _CATEGORY, *_TASKS]
    return LogFilter(addresses, (topics,), read.read_all)


@dataclass(frozen=True, slots=True)
class MarketLogs:
    """Reads what a market follows; ``registries`` tell of which sort their assets are."""

    registries: Mapping[Address, OrderSort]

    @classmethod
    def of(cls, facts: HubFacts) -> MarketLogs:
        """Return the reader of a hub's logs."""
        return cls(
            {
                facts.app_registry: OrderSort.APP,
                facts.dataset_registry: OrderSort.DATASET,
                facts.workerpool_registry: OrderSort.WORKERPOOL,
            }
        )

    def read_all(self, raw: Any) -> tuple[MarketEvent, ...]:
        """Read an answer to ``eth_getLogs``; raises as ``read`` does."""
        events = [self.read(each) for each in raw if not each.get("removed")]
        return tuple(sorted(events, key=lambda event: event.place))

    def read(self, raw: Mapping[str, Any]) -> MarketEvent:
        """Read a log; raises KeyError, IndexError, TypeError or ValueError on nonsense."""
        topics, data, place = raw["topics"], str(raw["data"]), _place(raw)
        if (sort := self.registries.get(Address.parse(raw["address"]))) is not None:
            source, target, asset = (address_of(each) for each in topics[1:4])
            return AssetMoved(place, sort, asset, source, target)
        if topics[0] in _TASKS:
            return _task(place, _TASKS[topics[0]], topics, data)
        if topics[0] in _OTHERS:
            return _OTHERS[topics[0]](place, data)
        if topics[0] in _CLOSED:
            return OrderClosed(place, _CLOSED[topics[0]], OrderHash.parse(data[:66]))
        if topics[0] == TRANSFER:
            source, target = (address_of(each) for each in topics[1:3])
            return StakeChanged(place, StakeChange.MOVED, source, _amount(data, 0), target)
        change = _STAKES[topics[0]]
        named = change in (StakeChange.SEIZED, StakeChange.REWARDED)
        task_id = TaskId.parse("0x" + word(data, 2)) if named else None
        owner = address_of(word(data, 0))
        return StakeChanged(place, change, owner, _amount(data, 1), task_id=task_id)


def _matched(place: LogPlace, data: str) -> OrdersMatched:
    words = [word(data, number) for number in range(6)]
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
        party=address_of(topics[2]) if kind in _WITH_PARTY else None,
        result_hash=ResultHash.parse(data[:66]) if kind in OF_RESULT else None,
        results=results,
    )


def _category(place: LogPlace, data: str) -> CategoryCreated:
    kinds = ["uint256", "bytes", "bytes", "uint256"]  # nothing promises that texts are UTF-8
    index, name, description, time_ref = abi_decode(kinds, abi.raw_bytes(data))
    if max(index, time_ref) > _LARGEST_CATEGORY:
        raise ValueError(f"category {index} is none that a hub makes")
    told, more = (each.decode(errors="replace") for each in (name, description))
    return CategoryCreated(place, index, told, more, Seconds(time_ref))


_OTHERS: Final[Mapping[str, Callable[[LogPlace, str], MarketEvent]]] = {
    _MATCHED: _matched,
    _CATEGORY: _category,
}


def _place(raw: Mapping[str, Any]) -> LogPlace:
    return LogPlace(
        BlockNumber(abi.quantity(raw["blockNumber"])),
        abi.quantity(raw["logIndex"]),
        BlockHash(abi.raw_bytes(raw["blockHash"])),
        TxHash(abi.raw_bytes(raw["transactionHash"])),
    )


def _amount(data: str, number: int) -> NanoRlc:
    return NanoRlc(int(word(data, number), 16))
