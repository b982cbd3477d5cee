"""What moved an account's RLC inside the hub, what it did to tasks, and what it paid for gas.

Every movement of free stake is a ``Transfer``, both of whose parties are indexed; a ``Reward``
follows its transfer directly, which tells it from an unlock. A ``Seize`` moves locked stake only
and has no indexed party, so those of everybody are read.
Source: PoCo 6.x, IexecEscrow; order of logs: spec onchain.md §6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from poolhand.chain.link import Query
from poolhand.chain.logs import (
    TOPICS,
    TRANSFER,
    LogFilter,
    address_of,
    event_topic,
    header,
    hub_events,
    read_all,
    topic,
    word,
)
from poolhand.chain.parts import read_each
from poolhand.chain.rpc import Rpc
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId, TxHash
from poolhand.domain.movements import Movement, MovementKind, Payment
from poolhand.domain.onchain import EventKind, HubEvent
from poolhand.domain.partial import Partial
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, Wei

_REWARD: Final = event_topic("Reward(address,uint256,bytes32)")
_SEIZE: Final = event_topic("Seize(address,uint256,bytes32)")
_ACTS: Final = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_REVEAL, EventKind.TASK_INITIALIZE)


@dataclass(frozen=True, slots=True)
class _Log:
    """A log that is about money, as it stands in a block."""

    block: BlockNumber
    tx_hash: TxHash
    log_index: int
    topics: tuple[str, ...]
    data: str

    @property
    def place(self) -> tuple[TxHash, int]:
        return self.tx_hash, self.log_index

    def word(self, number: int) -> str:
        return word(self.data, number)


def _money(hub: Address, *topics: Any) -> LogFilter[_Log]:
    """Return which logs of the hub are asked for, by topics."""
    return LogFilter(str(hub), topics, _read_logs)


def _read_logs(raw: Any) -> tuple[_Log, ...]:
    return tuple(
        _Log(
            BlockNumber(int(each["blockNumber"], 16)),
            TxHash.parse(each["transactionHash"]),
            int(each["logIndex"], 16),
            tuple(each["topics"]),
            str(each["data"]),
        )
        for each in raw
        if not each.get("removed")
    )


async def money_of(
    rpc: Rpc, hub: Address, owner: Address, first: BlockNumber, last: BlockNumber
) -> tuple[Movement, ...]:
    """Return what moved an account's RLC in a block range, in order; amounts of 0 are left out.

    Raises:
        ChainUnreachable: No endpoint answered.
    """
    me = topic(owner)
    went = await read_all(rpc, _money(hub, TRANSFER, me), first, last)
    came = await read_all(rpc, _money(hub, TRANSFER, None, me), first, last)
    told = await read_all(rpc, _money(hub, [_REWARD, _SEIZE]), first, last)
    ours = [log for log in told if address_of(log.word(0)) == owner]
    rewards = {log.place: log for log in ours if log.topics[0] == _REWARD}
    seized = [
        _movement(MovementKind.SEIZURE, log, 1, log) for log in ours if log.topics[0] == _SEIZE
    ]
    found = [
        *(_movement(_way_out(log, hub), log, 0) for log in went),
        *(_coming(log, hub, rewards) for log in came),
        *seized,
    ]
    kept = (each for each in found if each.amount)
    return tuple(sorted(kept, key=lambda each: (each.block, each.log_index)))


def _movement(kind: MovementKind, log: _Log, at: int, about: _Log | None = None) -> Movement:
    task_id = None if about is None else TaskId.parse("0x" + about.word(2))
    amount = NanoRlc(int(log.word(at), 16))
    return Movement(kind, amount, log.block, log.tx_hash, log.log_index, task_id)


def _way_out(log: _Log, hub: Address) -> MovementKind:
    target = address_of(log.topics[2])
    if target == hub:
        return MovementKind.LOCK
    return MovementKind.WITHDRAWAL if target == ZERO_ADDRESS else MovementKind.SENT


def _coming(log: _Log, hub: Address, rewards: Mapping[tuple[TxHash, int], _Log]) -> Movement:
    source = address_of(log.topics[1])
    reward = rewards.get((log.tx_hash, log.log_index + 1))
    if source == ZERO_ADDRESS:
        return _movement(MovementKind.DEPOSIT, log, 0)
    if source != hub:
        return _movement(MovementKind.RECEIVED, log, 0)
    kind = MovementKind.UNLOCK if reward is None else MovementKind.REWARD
    return _movement(kind, log, 0, reward)


async def acts_of(
    rpc: Rpc, hub: Address, parties: Collection[Address], first: BlockNumber, last: BlockNumber
) -> tuple[HubEvent, ...]:
    """Return what workers contributed and revealed and pools put on chain, in order.

    Raises:
        ChainUnreachable: No endpoint answered.
    """
    kinds = [TOPICS[each] for each in _ACTS]
    wanted = hub_events(hub, kinds, None, [topic(each) for each in parties])
    return await read_all(rpc, wanted, first, last)


async def payments(rpc: Rpc, hashes: Iterable[TxHash]) -> Partial[TxHash, Payment]:
    """Return who paid how much for transactions; those that are not on chain are left out.

    Raises:
        ChainUnreachable: No endpoint answered.
    """
    names = list(dict.fromkeys(hashes))
    receipts = await read_each(rpc, names, [_receipt(each) for each in names])
    mined = {name: raw for name, raw in receipts.found.items() if raw is not None}
    at = {name: BlockNumber(int(raw["blockNumber"], 16)) for name, raw in mined.items()}
    blocks = sorted(set(at.values()))
    heads = await read_each(rpc, blocks, [header(block) for block in blocks])
    times = {number: head.timestamp for number, head in heads.found.items() if head is not None}
    paid = {n: _payment(raw, times[at[n]]) for n, raw in mined.items() if at[n] in times}
    untimed = {n: heads.failed[block] for n, block in at.items() if block in heads.failed}
    return Partial(paid, {**receipts.failed, **untimed})


def _receipt(name: TxHash) -> Query[Any]:
    return Query("eth_getTransactionReceipt", (str(name),), lambda raw: raw)


def _payment(raw: Mapping[str, Any], at: Any) -> Payment:
    try:
        price = Wei(int(raw.get("effectiveGasPrice") or "0x0", 16))
        return Payment(Address.parse(raw["from"]), Gas(int(raw["gasUsed"], 16)), price, at)
    except (KeyError, TypeError, ValueError) as fault:
        raise ChainUnreachable(f"the endpoint's receipt is none: {fault}") from fault
