"""What blocks tell of tasks and of what was paid: read so that it can be kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.market.task_story import StakeStep, TaskStep
from poolhand.domain.market_events import (
    AssetMoved,
    MarketEvent,
    StakeChange,
    StakeChanged,
    TaskHappened,
)
from poolhand.domain.onchain import Head
from poolhand.domain.result_link import LONGEST_LINK
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.ports.market_chain import MarketChain
from poolhand.store.market.history import StakeRow, TaskRow

EARNING_CHANGES: Final = frozenset({StakeChange.REWARDED, StakeChange.SEIZED})
"""Changes of stake that are earnings or losses; all others move what stays its owner's."""
MOST_RESULTS: Final = LONGEST_LINK + 1
"""Bytes of a result that are kept: of a longer one no link is read."""
MOST_AMOUNT: Final = 2**63 - 1
"""No database has more; a token may be made that does."""


@dataclass(frozen=True, slots=True)
class HistoryRows:
    """What is to be kept of some blocks."""

    tasks: tuple[TaskRow, ...] = ()
    stakes: tuple[StakeRow, ...] = ()
    assets: tuple[AssetMoved, ...] = ()


async def history_rows(chain: MarketChain, events: Sequence[MarketEvent], at: Head) -> HistoryRows:
    """Read what some blocks' events need to be kept.

    Args:
        chain: Asked for deals of tasks, and for the time of blocks other than ``at``.
        events: All that happened.
        at: The last of the blocks.

    Raises:
        ChainUnreachable: No endpoint answered, or the chain moved meanwhile.
    """
    steps = [event for event in events if isinstance(event, TaskHappened)]
    stakes = [event for event in events if _is_kept(event)]
    assets = tuple(event for event in events if isinstance(event, AssetMoved))
    if not steps and not stakes:
        return HistoryRows(assets=assets)
    deals = await chain.task_deals({event.task_id for event in steps}, at)
    times = await _times(chain, {event.place.block for event in (*steps, *stakes)}, at)
    return HistoryRows(
        tuple(_task_row(each, deals, times) for each in steps if each.task_id in deals),
        tuple(_stake_row(each, times) for each in stakes if isinstance(each, StakeChanged)),
        assets,
    )


def _is_kept(event: MarketEvent) -> bool:
    is_change = isinstance(event, StakeChanged) and event.change in EARNING_CHANGES
    return is_change and 0 < event.amount <= MOST_AMOUNT  # type: ignore[union-attr]


async def _times(
    chain: MarketChain, blocks: Iterable[BlockNumber], at: Head
) -> Mapping[BlockNumber, UnixSeconds]:
    wanted = sorted(set(blocks) - {at.number})
    found = await chain.blocks(wanted) if wanted else []
    times = {head.number: head.timestamp for head in found if head is not None}
    if len(times) < len(wanted):
        raise ChainUnreachable("the chain moved while it was read: once more")
    return {**times, at.number: at.timestamp}


def _task_row(
    event: TaskHappened,
    deals: Mapping[TaskId, DealId],
    times: Mapping[BlockNumber, UnixSeconds],
) -> TaskRow:
    place = event.place
    moment = times[place.block]
    step = TaskStep(event.kind, moment, place.block, place.tx_hash, event.party, event.result_hash)
    task_id = event.task_id
    return TaskRow(task_id, deals[task_id], place.log_index, step, event.results[:MOST_RESULTS])


def _stake_row(event: StakeChanged, times: Mapping[BlockNumber, UnixSeconds]) -> StakeRow:
    place = event.place
    task_id = event.task_id if event.task_id and any(event.task_id) else None
    step = StakeStep(
        event.change, event.owner, event.amount, times[place.block], place.block,
        place.tx_hash, task_id,
    )  # fmt: skip
    return StakeRow(place.log_index, step)
