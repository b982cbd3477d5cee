"""What locked an account's stake: its purchases, the deals of its pools, its contributions.

``Lock`` and ``OrdersMatched`` have no indexed party. But to lock is to move the account's stake
tokens to the hub itself, and of that ``Transfer`` both parties are indexed; the deal is in the
``SchedulerNotice`` of the same transaction.
Source: PoCo 6.x, IexecEscrow (``lock``) and IexecPoco1Facet (``matchOrders``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poolhand.chain.logs import TOPICS, TRANSFER, LogFilter, hub_events, read_all, topic
from poolhand.chain.rpc import Rpc
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.onchain import EventKind, HubEvent
from poolhand.domain.units import BlockNumber


@dataclass(frozen=True, slots=True)
class _Transfer:
    """Stake tokens that went from an account to the hub."""

    block: int
    tx_hash: TxHash


def _transfers(hub: Address, owner: Address) -> LogFilter[_Transfer]:
    """Return the transfers of one account to the hub."""
    return LogFilter(str(hub), (TRANSFER, topic(owner), topic(hub)), _read_transfers)


def _read_transfers(raw: Any) -> tuple[_Transfer, ...]:
    return tuple(
        _Transfer(int(each["blockNumber"], 16), TxHash.parse(each["transactionHash"]))
        for each in raw
    )


async def locks_of(
    rpc: Rpc, hub: Address, owner: Address, first: BlockNumber, last: BlockNumber
) -> tuple[HubEvent, ...]:
    """Return the notices of deals and the contributions that may have locked an account's stake.

    Raises:
        ChainUnreachable: No endpoint answered.
    """
    kind = [TOPICS[EventKind.TASK_CONTRIBUTE]]
    contributions = await read_all(rpc, hub_events(hub, kind, None, topic(owner)), first, last)
    contributed = {event.tx_hash for event in contributions}
    transfers = await read_all(rpc, _transfers(hub, owner), first, last)
    matches = {each.tx_hash: each.block for each in transfers if each.tx_hash not in contributed}
    notices = await _notices(rpc, hub, matches)
    return tuple(sorted((*contributions, *notices), key=lambda each: (each.block, each.log_index)))


async def _notices(rpc: Rpc, hub: Address, matches: dict[TxHash, int]) -> list[HubEvent]:
    """Return the notices of these transactions, by block."""
    wanted = hub_events(hub, [TOPICS[EventKind.SCHEDULER_NOTICE]])
    queries = [wanted.in_range(block, block) for block in sorted(set(matches.values()))]
    told = await rpc.ask_each(queries)
    return [event for events in told for event in events if event.tx_hash in matches]
