"""The hub's logs: asking for them, and reading them as events.

Source: PoCo 6.x events; topics are computed from the signatures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from eth_hash.auto import keccak

from poolhand.chain import abi
from poolhand.chain.blocks import read_head
from poolhand.chain.endpoint import Endpoint
from poolhand.chain.link import Query
from poolhand.chain.refusal import LOGS, EndpointDown, NodeRefusal
from poolhand.chain.rpc import Rpc
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
TOPICS: Final = {kind: "0x" + keccak(text.encode()).hex() for kind, text in _SIGNATURES.items()}
_KINDS: Final = {topic: kind for kind, topic in TOPICS.items()}
_BY_WORKER: Final = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_REVEAL)
_OF_RESULT: Final = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_CONSENSUS)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Wanted(Protocol[T_co]):
    """Logs that can be asked for by range."""

    def in_range(self, first: int, last: int, /) -> Query[tuple[T_co, ...]]:
        """Ask for the logs of a range; a node that has not all of it may leave some out."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs of a hub: topics as ``eth_getLogs`` takes them."""

    hub: Address
    topics: tuple[Any, ...]

    @classmethod
    def every_kind(cls, hub: Address, *more: str) -> LogFilter:
        """All events that Poolhand follows, ``more`` being further topics."""
        return cls(hub, (list(TOPICS.values()), *more))

    def of_blocks(
        self, heads: Sequence[Head], by_hash: bool, /
    ) -> list[Query[tuple[HubEvent, ...]]]:
        """Ask for the logs of single blocks; by hash, who has not this very block refuses."""
        if by_hash:
            where = ({"blockHash": str(head.block_hash)} for head in heads)
            return [self._query(each, f"{LOGS} by block hash") for each in where]
        return [self.in_range(head.number, head.number) for head in heads]

    def in_range(self, first: int, last: int) -> Query[tuple[HubEvent, ...]]:
        """Ask for the logs of a range; a node that has not all of it may leave some out."""
        return self._query({"fromBlock": hex(first), "toBlock": hex(last)})

    def _query(self, where: dict[str, str], form: str = "") -> Query[tuple[HubEvent, ...]]:
        asked = {"address": str(self.hub), "topics": list(self.topics), **where}
        return Query(LOGS, (asked,), _read_logs, form=form)


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
        result_hash=ResultHash.parse(raw["data"][:66]) if kind in _OF_RESULT else None,
    )


def _read_logs(raw: Any) -> tuple[HubEvent, ...]:
    events = [read_log(each) for each in raw if not each.get("removed")]
    return tuple(sorted(events, key=lambda event: (event.block, event.log_index)))


def header(block: str | int) -> Query[Head | None]:
    """Ask for a header by number or tag; None where the node has no such block yet."""
    where = block if isinstance(block, str) else hex(block)
    return Query(
        "eth_getBlockByNumber",
        (where, False),
        lambda raw: None if raw is None else read_head(raw),
    )


async def scan(
    rpc: Rpc, wanted: Wanted[T], first: int, last: int
) -> AsyncIterator[tuple[int, tuple[T, ...]]]:
    """Yield (last block read, logs) for each part of a range, in order.

    Raises:
        ChainUnreachable: No endpoint answered, or each refuses even a single block.
    """
    while first <= last:
        end, logs = await rpc.ask_around(partial(_part, wanted, first, last))
        yield end, logs
        first = end + 1


async def _part(
    wanted: Wanted[T], first: int, last: int, endpoint: Endpoint
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
    endpoint: Endpoint, wanted: Wanted[T], first: int, last: int
) -> tuple[T, ...] | NodeRefusal:
    def up_to_date(answers: Sequence[Any]) -> bool:
        return answers[1] is not None

    queries: list[Query[Any]] = [wanted.in_range(first, last), header(last)]
    found, _ = await endpoint.exchange(queries, up_to_date)
    logs: tuple[T, ...] | NodeRefusal = found
    return logs
