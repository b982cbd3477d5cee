"""What the chain itself tells of a task, with or without a pool that points the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.hashes import task_id as name_task
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus, EventKind, HubEvent
from poolhand.domain.params import wants_encryption
from poolhand.domain.units import BlockNumber
from poolhand.ports.chain import Hub
from poolhand.requester.watching import TaskProgress

HISTORY_BLOCKS_AT_ONCE: Final = 10_000
"""Blocks searched at once, from the newest back."""
HISTORY_LOOKBACK: Final = 100_000
"""Blocks after which the search for a task's beginning is given up."""


@dataclass(frozen=True, slots=True)
class TaskHistory:
    """A task, and its events on chain in order.

    ``is_whole`` is False when its beginning is older than ``HISTORY_LOOKBACK`` blocks; ``silence``
    says who was asked and did not answer, and how to name the right pool, where no pool tells it.
    ``deal`` is the chain's; None where nobody names it, or what a pool names has no such task.
    """

    task: TaskProgress
    index: int
    deal_id: DealId | None
    events: tuple[HubEvent, ...]
    is_whole: bool
    silence: str = ""
    deal: Deal | None = None

    @property
    def encrypted_to(self) -> Address | None:
        """Who alone can open the result; None: everybody who has its link, or it is not known."""
        if self.deal is None or not wants_encryption(self.deal.params):
            return None
        return self.deal.beneficiary


async def history(hub: Hub, task: TaskProgress) -> TaskHistory:
    """Read a task's events; a pool's word only shortens the search.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    news, task_id = task.news, task.task_id
    deal_id = news.deal_id if news else await hub.task_deal(task_id)
    deal = await hub.deal(deal_id) if deal_id else None
    index = news.index if news else _index(deal, task_id, task.index)
    if deal is not None and not _has(deal, index, task_id):
        deal = None  # the pool named another's
    if task.view.status is ChainTaskStatus.UNSET:
        return TaskHistory(task, index, deal_id, (), is_whole=True, deal=deal)
    hint = news.first_block if news else None
    events = await hub.task_events(task_id, hint) if hint is not None else ()
    if not _is_whole(events):
        events = await _search(hub, task_id)
    return TaskHistory(task, index, deal_id, events, _is_whole(events), deal=deal)


def _has(deal: Deal, index: int, task_id: TaskId) -> bool:
    """Whether a deal has a task; the number of it may be a stranger's word."""
    return 0 <= index < 2**63 and name_task(deal.deal_id, index) == task_id


def _index(deal: Deal | None, task_id: TaskId, default: int) -> int:
    tasks = deal.tasks() if deal else ()
    return next((index for index, each in tasks if each == task_id), default)


def _is_whole(events: tuple[HubEvent, ...]) -> bool:
    return bool(events) and events[0].kind is EventKind.TASK_INITIALIZE


async def _search(hub: Hub, task_id: TaskId) -> tuple[HubEvent, ...]:
    """Go back from the newest block until the task's beginning is found."""
    last = newest = (await hub.head()).number
    found: tuple[HubEvent, ...] = ()
    while last >= 0 and newest - last < HISTORY_LOOKBACK and not _is_whole(found):
        first = max(0, last - HISTORY_BLOCKS_AT_ONCE + 1)
        found = (*await hub.task_events(task_id, BlockNumber(first), BlockNumber(last)), *found)
        last = BlockNumber(first - 1)
    return found
