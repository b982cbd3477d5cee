"""Checks what workers claim to have stored, before it goes on chain for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import structlog
from eth_hash.auto import keccak

from poolhand.domain.deal import Deal
from poolhand.domain.errors import EndsProgram, Unavailable
from poolhand.domain.ids import DealId
from poolhand.domain.result_link import link_text
from poolhand.domain.task.model import Stored, Task
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Clock
from poolhand.ports.files import ResultsShelf

RESULT_CHECK_TRIES: Final = 5
PAUSE_BETWEEN_RESULT_CHECKS: Final = 1.0
"""Seconds between two looks at the shelf: it may lag behind the chain, or be restarting."""

log = structlog.get_logger()


class ResultCheck:
    """Believes the results service and the chain, not the worker.

    Args:
        deals: Of this pool.
        shelf: The results service's own word; None believes workers, for simulations.
    """

    def __init__(
        self,
        deals: Mapping[DealId, Deal],
        shelf: ResultsShelf | None,
        clock: Clock,
    ) -> None:
        self._deals, self._shelf, self._clock = deals, shelf, clock
        self._outage = OutageLog(
            "results_unreachable",
            "results_reached",
            acts="operator of the results service",
            next_step="bring it back; the worker is asked for its result again",
        )

    async def check(self, task: Task, claim: Stored) -> Stored | None:
        """Return what is stored, None when the claim does not hold: the worker is asked again."""
        deal = self._deals.get(task.facts.deal_id)
        if deal is None:
            return None
        data, link, why = claim.callback_data, claim.link, None
        if deal.has_callback and keccak(data) != claim.digest:
            why = "the callback data do not hash to the digest"
        elif self._shelf is not None:
            location = await self._location(task, self._shelf)
            link = link_text(location or "", deal.callback)
            why = None if location else "the archive is not there"
        if why is not None:
            task_id, worker = str(task.facts.task_id), str(claim.worker)
            log.warning("result_doubted", task_id=task_id, worker=worker, cause=why)
            return None
        return replace(claim, link=link, callback_data=data if deal.has_callback else b"")

    async def _location(self, task: Task, shelf: ResultsShelf) -> str | None:
        for left in reversed(range(RESULT_CHECK_TRIES)):
            try:
                location = await shelf.location(task.facts.task_id)
            except EndsProgram:
                raise
            except Unavailable as fault:
                self._outage.tell(fault)
            else:
                self._outage.over()
                if location:
                    return location
            if left:
                await self._clock.sleep(PAUSE_BETWEEN_RESULT_CHECKS)
        return None
