"""The hub's logs: asking for them, and reading them as events.

Source: PoCo 6.x events; topics are computed from the signatures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from eth_hash.auto import keccak

from poolhand.chain.blocks import read_head
from poolhand.chain.link import Query
from poolhand.chain.refusal import NodeRefusal
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

CHUNK: Final = 1000
"""Blocks per request, as iExec's own scheduler asks."""
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

    def in_block(self, block_hash: BlockHash) -> Query[tuple[HubEvent, ...]]:
        """Ask for one block's logs; a node that has not this very block refuses."""
        return self._query({"blockHash": str(block_hash)})

    def in_range(self, first: int, last: int) -> Query[tuple[HubEvent, ...]]:
        """Ask for the logs of a range; a node that has not all of it may leave some out."""
        return self._query({"fromBlock": hex(first), "toBlock": hex(last)})

    def _query(self, where: dict[str, str]) -> Query[tuple[HubEvent, ...]]:
        asked = {"address": str(self.hub), "topics": list(self.topics), **where}
        return Query("eth_getLogs", (asked,), _read_logs)


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
        block=BlockNumber(int(raw["blockNumber"], 16)),
        block_hash=BlockHash.parse(raw["blockHash"]),
        tx_hash=TxHash.parse(raw["transactionHash"]),
        log_index=int(raw["logIndex"], 16),
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
    """Yield (last block read, logs) for each chunk of a range, in order.

    A chunk that a node finds too wide is halved, down to one block.

    Raises:
        ChainUnreachable: No endpoint answered, or one refuses even a single block.
    """
    width = CHUNK
    while first <= last:
        end = min(first + width - 1, last)
        try:
            events = await _chunk(rpc, wanted, first, end)
        except NodeRefusal as fault:
            if first == end:
                raise ChainUnreachable(f"logs of block {first}: {fault}") from fault
            width = max(1, (end - first + 1) // 2)
            continue
        yield end, events
        first = end + 1


async def _chunk(rpc: Rpc, wanted: Wanted[T], first: int, last: int) -> tuple[T, ...]:
    """Read a range from an endpoint that has its last block; raises NodeRefusal."""

    def up_to_date(answers: Sequence[Any]) -> bool:
        return answers[1] is not None

    queries: list[Query[Any]] = [wanted.in_range(first, last), header(last)]
    found, _ = await rpc.ask_all(queries, up_to_date)
    if isinstance(found, NodeRefusal):
        raise found
    logs: tuple[T, ...] = found
    return logs
