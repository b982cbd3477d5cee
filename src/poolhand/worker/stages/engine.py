"""The container engine as stages use it: one that restarts is waited for, not blamed on the app.

Source: Docker 20.10: a container that the engine's end took with it has exit code 137 or 143; 255
when the engine finds it gone at its next start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar

import structlog

from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import TaskId
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec
from poolhand.worker.toolbox import Toolbox

TRIES: Final = 45
PAUSE: Final = 2.0
"""Seconds between two tries to reach the engine: ``TRIES`` of them outlast any restart."""
TAKEN_AWAY: Final = frozenset({137, 143, 255})

T = TypeVar("T")
log = structlog.get_logger()


async def until_answered(toolbox: Toolbox, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the engine until it answers, for about a minute and a half.

    Raises:
        RuntimeDown: It stays away.
    """
    for _ in range(TRIES):
        try:
            answer = await ask()
        except RuntimeDown as fault:
            toolbox.engine_outage.tell(fault)
            await toolbox.clock.sleep(PAUSE)
        else:
            toolbox.engine_outage.over()
            return answer
    return await ask()


async def in_time(toolbox: Toolbox, ask: Callable[[], Awaitable[T]], **facts: str) -> T:
    """Ask the engine until it answers, however long that takes.

    Args:
        toolbox: The worker's.
        ask: What to ask.
        facts: Told with the outage.
    """
    while True:
        try:
            answer = await ask()
        except RuntimeDown as fault:
            toolbox.engine_outage.tell(fault, **facts)
            await toolbox.clock.sleep(PAUSE)
        else:
            toolbox.engine_outage.over()
            return answer


async def sweep(toolbox: Toolbox, held: Callable[[], Collection[TaskId]]) -> None:
    """Remove the containers that an earlier life of this worker has left, once.

    Args:
        toolbox: The worker's.
        held: The tasks at that time, whose containers go on.

    Raises:
        RuntimeDown: The engine does not answer.
    """
    ((key, value),) = toolbox.labels.items()
    await toolbox.runtime.sweep(
        f"{key}={value}",
        lambda name: name in {toolbox.container(task_id) for task_id in held()},
    )


async def run(toolbox: Toolbox, spec: ContainerSpec) -> ContainerOutcome:
    """Run a container to its end; once more when something else ended it.

    An app that exits with such a code by itself is run twice: it cannot be told apart.

    Raises:
        RuntimeDown: The engine stays away.
        ContainerRefused, ContainerRemoved: As the port says.
    """
    outcome = await until_answered(toolbox, lambda: toolbox.runtime.run(spec))
    if not _was_taken_away(outcome):
        return outcome
    log.warning("container_taken_away", container=spec.name, exit_code=outcome.exit_code)
    return await until_answered(toolbox, lambda: toolbox.runtime.run(spec))


def _was_taken_away(outcome: ContainerOutcome) -> bool:
    ours = outcome.timed_out or outcome.out_of_memory or outcome.output_too_large
    return outcome.exit_code in TAKEN_AWAY and not ours
