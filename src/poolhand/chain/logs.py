"""The hub's logs: asking for them, and reading them as events.

Source: PoCo 6.x events; topics are computed from the signatures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

from eth_hash.auto import keccak

from poolhand.chain import abi
from poolhand.chain.blocks import read_head
from poolhand.chain.endpoint import Endpoint
from poolhand.chain.link import Query
from poolhand.chain.refusal import LOGS, EndpointDown, NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import (
    Address,
    BlockHash,
    DealId,
    FixedBytes,
    ResultHash,
    TaskId,
    TxHash,
)
from poolhand.domain.onchain import EventKind, Head, HubEvent
from poolhand.domain.units import BlockNumber

T = TypeVar("T")


def event_topic(signature: str) -> str:
    """Return the topic of an event's signature."""
    return "0x" + keccak(signature.encode()).hex()


_SIGNATURES: Final = {
    EventKind.SCHEDULER_NOTICE: "SchedulerNotice(address,bytes32)",
    EventKind.TASK_INITIALIZE: "TaskInitialize(bytes32,address)",
    EventKind.TASK_CONTRIBUTE: "TaskContribute(bytes32,address,bytes32)",
    EventKind.TASK_CONSENSUS: "TaskConsensus(bytes32,bytes32)",
    EventKind.TASK_REVEAL: "TaskReveal(bytes32,address,bytes32)",
    EventKind.TASK_REOPEN: "TaskReopen(bytes32)",
    EventKind.TASK_FINALIZE: "TaskFinalize(bytes32,bytes)",
    EventKind.TASK_CLAIMED: "TaskClaimed(bytes32)",
}
TOPICS: Final = {kind: event_topic(text) for kind, text in _SIGNATURES.items()}
TRANSFER: Final = event_topic("Transfer(address,address,uint256)")
_KINDS: Final = {topic: kind for kind, topic in TOPICS.items()}
_BY_WORKER: Final = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_REVEAL)
OF_RESULT: Final = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_CONSENSUS)


@dataclass(frozen=True, slots=True)
class LogFilter(Generic[T]):
    """Which logs, and how they are read.

    Attributes:
        address: Of whom, as ``eth_getLogs`` takes it: one, or several.
        topics: As ``eth_getLogs`` takes them.
        read: Reads an answer; raises KeyError, IndexError, TypeError or ValueError on nonsense.
    """

    address: str | list[str]
    topics: tuple[Any, ...]
    read: Callable[[Any], tuple[T, ...]]

    def of_blocks(self, heads: Sequence[Head], by_hash: bool, /) -> list[Query[tuple[T, ...]]]:
        """Ask for the logs of single blocks; by hash, who has not this very block refuses."""
        if by_hash:
            where = ({"blockHash": str(head.block_hash)} for head in heads)
            return [self._query(each, f"{LOGS} by block hash") for each in where]
        return [self.in_range(head.number, head.number) for head in heads]

    def in_range(self, first: int, last: int) -> Query[tuple[T, ...]]:
        """Ask for the logs of a range; a node that has not all of it may leave some out."""
        return self._query({"fromBlock": hex(first), "toBlock": hex(last)})

    def _query(self, where: dict[str, str], form: str = "") -> Query[tuple[T, ...]]:
        asked = {"address": self.address, "topics": list(self.topics), **where}
        return Query(LOGS, (asked,), self.read, form=form)


def hub_events(hub: Address, *topics: Any) -> LogFilter[HubEvent]:
    """Return which events of a hub are asked for, by topics."""
    return LogFilter(str(hub), topics, _read_logs)


def every_event(hub: Address, *more: str) -> LogFilter[HubEvent]:
    """Return all events that Poolhand follows, ``more`` being further topics."""
    return hub_events(hub, list(TOPICS.values()), *more)


def topic(value: FixedBytes) -> str:
    """Write an id or address as a topic."""
    return "0x" + value.rjust(32, b"\0").hex()


def read_log(raw: Any) -> HubEvent:
    """Read a log; raises KeyError, IndexError, TypeError or ValueError on nonsense."""
    topics = raw["topics"]
    kind = _KINDS[topics[0]]
    notice = kind is EventKind.SCHEDULER_NOTICE
    party = topics[1] if notice else topics[2] if kind in _BY_WORKER else None
    return HubEvent(
        kind=kind,
        block=BlockNumber(abi.quantity(raw["blockNumber"])),
        block_hash=BlockHash(abi.raw_bytes(raw["blockHash"])),
        tx_hash=TxHash(abi.raw_bytes(raw["transactionHash"])),
        log_index=abi.quantity(raw["logIndex"]),
        deal_id=DealId.parse(raw["data"][:66]) if notice else None,
        task_id=None if notice else TaskId.parse(topics[1]),
        worker=None if party is None else Address.parse("0x" + party[26:]),
        result_hash=ResultHash.parse(raw["data"][:66]) if kind in OF_RESULT else None,
    )


def _read_logs(raw: Any) -> tuple[HubEvent, ...]:
    events = [read_log(each) for each in raw if not each.get("removed")]
    return tuple(sorted(events, key=lambda event: (event.block, event.log_index)))


def word(data: str, number: int) -> str:
    """Return one of the 32-byte words of a log's data, in hexadecimal without 0x."""
    return data[2 + 64 * number : 66 + 64 * number]


def address_of(padded: str) -> Address:
    """Read the address in a word or topic."""
    return Address.parse("0x" + padded[-40:])


async def newest_head(rpc: Rpc) -> Head:
    """Return the newest block.

    Raises:
        ChainUnreachable: No endpoint answered, or it has no block yet.
    """
    found = await rpc.ask(header("latest"))
    if found is None:
        raise ChainUnreachable("the endpoint has no newest block: wait until it has synced")
    return found


def header(block: str | int) -> Query[Head | None]:
    """Ask for a header by number or tag; None where the node has no such block yet."""
    where = block if isinstance(block, str) else hex(block)
    return Query(
        "eth_getBlockByNumber",
        (where, False),
        lambda raw: None if raw is None else read_head(raw),
    )


async def scan(
    rpc: Rpc, wanted: LogFilter[T], first: int, last: int
) -> AsyncIterator[tuple[int, tuple[T, ...]]]:
    """Yield (last block read, logs) for each part of a range, in order.

    Raises:
        ChainUnreachable: No endpoint answered, or each refuses even a single block.
    """
    while first <= last:
        end, logs = await rpc.ask_around(partial(_part, wanted, first, last))
        yield end, logs
        first = end + 1


async def read_all(rpc: Rpc, wanted: LogFilter[T], first: int, last: int) -> tuple[T, ...]:
    """Return the logs of a range, in order; raises ChainUnreachable."""
    return tuple([log async for _, logs in scan(rpc, wanted, first, last) for log in logs])


async def _part(
    wanted: LogFilter[T], first: int, last: int, endpoint: Endpoint
) -> tuple[int, tuple[T, ...]]:
    """Read the start of a range, as much of it as the endpoint bears.

    Raises:
        EndpointDown: It has not the last block yet, or refuses even a single one.
    """
    while True:
        end = min(first + endpoint.span.width - 1, last)
        try:
            logs = await _read_from(endpoint, wanted, first, end)
        except EndpointDown as fault:
            if not fault.slow or first == end:
                raise
            endpoint.span.refused(end - first + 1, 8)
            continue
        if isinstance(logs, NodeRefusal):
            if first == end:
                raise EndpointDown(endpoint.link.name, f"tells no logs of block {first}: {logs}")
            endpoint.span.refused(end - first + 1)
            continue
        endpoint.span.bore(end - first + 1)
        return end, logs


async def _read_from(
    endpoint: Endpoint, wanted: LogFilter[T], first: int, last: int
) -> tuple[T, ...] | NodeRefusal:
    def up_to_date(answers: Sequence[Any]) -> bool:
        return answers[1] is not None

    queries: list[Query[Any]] = [wanted.in_range(first, last), header(last)]
    found, _ = await endpoint.exchange(queries, up_to_date)
    logs: tuple[T, ...] | NodeRefusal = found
    return logs
