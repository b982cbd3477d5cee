"""*Simulated*: hands that are honest but for some stages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.worker.bench import Bench
from poolhand.worker.hands import BenchHands
from poolhand.worker.shell import Hands

Stage: TypeAlias = Callable[[Bench, Hands, Replicate], Awaitable[Finished]]
"""Carries out one stage: given the bench, honest hands on it, and the replicate."""

log = structlog.get_logger()


class CrookedHands:
    """Implements ``worker.shell.Hands``.

    Args:
        bench: What they work with.
        slots: Apps that run at once.
        stages: By action; all others are carried out honestly.
    """

    def __init__(self, bench: Bench, slots: int, stages: Mapping[Action, Stage]) -> None:
        self._bench, self._honest, self._stages = bench, BenchHands(bench, slots), stages

    async def perform(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out one stage, honestly or not."""
        stage = self._stages.get(action)
        if stage is None:
            return await self._honest.perform(replicate, action)
        log.warning("simulated_adversary_acts", task_id=str(replicate.offer.task_id), stage=action)
        return await stage(self._bench, self._honest, replicate)

    async def clean(self, replicate: Replicate) -> None:
        """Remove what the replicate left behind, as any worker does."""
        await self._honest.clean(replicate)


def crooked(**stages: Stage) -> Callable[[Bench, int], Hands]:
    """Return what makes such hands; stages by the name of their action in lower case."""
    by_action = {Action[name.upper()]: stage for name, stage in stages.items()}
    return lambda bench, slots: CrookedHands(bench, slots, by_action)
