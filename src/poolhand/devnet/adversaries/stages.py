"""*Simulated*: the stages of a worker, honest but for some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.worker.shell import StageRunner
from poolhand.worker.stages import Stages
from poolhand.worker.toolbox import Toolbox

Stage: TypeAlias = Callable[[Toolbox, StageRunner, Replicate], Awaitable[Finished]]
"""Carries out one stage: given the toolbox, the honest stages, and the replicate."""

log = structlog.get_logger()


class CrookedHands:
    """Implements ``worker.shell.StageRunner``.

    Args:
        toolbox: What they work with.
        slots: Apps that run at once.
        stages: By action; all others are carried out honestly.
    """

    def __init__(self, toolbox: Toolbox, slots: int, stages: Mapping[Action, Stage]) -> None:
        self._toolbox, self._honest, self._stages = toolbox, Stages(toolbox, slots), stages

    async def perform(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out one stage, honestly or not."""
        stage = self._stages.get(action)
        if stage is None:
            return await self._honest.perform(replicate, action)
        log.warning("simulated_adversary_acts", task_id=str(replicate.offer.task_id), stage=action)
        return await stage(self._toolbox, self._honest, replicate)

    async def clean(self, replicate: Replicate) -> None:
        """Remove what the replicate left behind, as any worker does."""
        await self._honest.clean(replicate)


def crooked(**stages: Stage) -> Callable[[Toolbox, int], StageRunner]:
    """Return what makes such stages; stages by the name of their action in lower case."""
    by_action = {Action[name.upper()]: stage for name, stage in stages.items()}
    return lambda toolbox, slots: CrookedHands(toolbox, slots, by_action)
