"""Tasks of functions that no worker is left for: told at once, and their price fetched back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import structlog

from poolhand.client.errors import NoWorkerLeft
from poolhand.client.functions.chunks import Chunk
from poolhand.domain.deal import Deal
from poolhand.domain.errors import PoolhandError
from poolhand.requester.causes import nobody_left
from poolhand.requester.watching import Outcome, Progress

if TYPE_CHECKING:
    from poolhand.client.async_client import AsyncClient

log = structlog.get_logger()


class UnattendedTasks:
    """Those of one deal.

    Args:
        client: Bought it.
        deal: Which.
    """

    def __init__(self, client: AsyncClient, deal: Deal) -> None:
        self._client, self._deal = client, deal
        self._known: frozenset[int] = frozenset()

    def tell(
        self, progress: Progress, chunks: Mapping[int, Chunk]
    ) -> Iterator[tuple[Chunk, NoWorkerLeft]]:
        """Log that there are any, and yield what of them nobody waits for, with its error.

        The first is logged in full, with how many there are; not again before there was none.

        Args:
            progress: How the tasks stand.
            chunks: By their task's index; of those that are yielded it is noted that they are left.
        """
        here = {task.index: task for task in progress.tasks if task.nobody_left}
        if here and not self._known:
            told = nobody_left(next(iter(here.values())), self._deal)
            log.warning("functions_stand_still", deal_id=str(self._deal.deal_id), tasks=len(here),
                        cause=told)  # fmt: skip
        new, self._known = here.keys() - self._known, frozenset(here)
        for index in sorted(new & chunks.keys()):
            chunk = chunks[index]
            if not chunk.terms.wait_for_workers:
                chunk.leave()
                yield chunk, NoWorkerLeft(here[index], self._deal)

    async def claim(self, last: Progress) -> None:
        """Have refunded what ran out of time, as a command that waits does; its pool may, too."""
        if any(task.outcome is Outcome.TIMED_OUT for task in last.tasks):
            try:
                await (await self._client.spender()).claim_late(last, self._deal)
            except PoolhandError as fault:
                deal_id = str(self._deal.deal_id)
                log.warning("late_tasks_not_claimed", deal_id=deal_id, cause=str(fault))
