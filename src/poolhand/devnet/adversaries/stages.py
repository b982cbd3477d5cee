"""*Simulated*: the stages of a worker, honest but for some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from poolhand.devnet.adversaries.onlooker import Onlooker
from poolhand.domain.ids import Address
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.parts import StageWrapper
from poolhand.worker.shell import StageRunner

CrookedStage: TypeAlias = Callable[[Onlooker, StageRunner, Replicate], Awaitable[Finished]]
"""Carries out one stage: given what it sees, the honest stages, and the replicate."""

log = structlog.get_logger()


class CrookedHands:
    """Implements ``worker.shell.StageRunner``.

    Args:
        honest: The stages of an honest worker.
        onlooker: Sees the chain.
        stages: By action; all others are carried out honestly.
    """

    def __init__(
        self, honest: StageRunner, onlooker: Onlooker, stages: Mapping[Action, CrookedStage]
    ) -> None:
        self._honest, self._onlooker, self._stages = honest, onlooker, stages

    async def perform(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out one stage, honestly or not."""
        stage = self._stages.get(action)
        if stage is None:
            return await self._honest.perform(replicate, action)
        log.warning("simulated_adversary_acts", task_id=str(replicate.offer.task_id), stage=action)
        return await stage(self._onlooker, self._honest, replicate)

    async def clean(self, replicate: Replicate) -> None:
        """Remove what the replicate left behind, as any worker does."""
        await self._honest.clean(replicate)


def crooked(**stages: CrookedStage) -> StageWrapper:
    """Return what makes such stages; stages by the name of their action in lower case."""
    by_action = {Action[name.upper()]: stage for name, stage in stages.items()}

    def made(
        honest: StageRunner, worker: Address, hub: Hub, watcher: Watcher, clock: Clock
    ) -> StageRunner:
        return CrookedHands(honest, Onlooker(worker, hub, watcher, clock), by_action)

    return made
