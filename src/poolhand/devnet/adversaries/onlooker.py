"""*Simulated*: how an adversary sees what others do on chain."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import TaskView
from poolhand.domain.units import UnixSeconds
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock


class Onlooker:
    """Looks at tasks with all their contributions.

    Attributes:
        worker: Whose wallet the adversary has.
    """

    def __init__(self, worker: Address, hub: Hub, watcher: Watcher, clock: Clock) -> None:
        self.worker, self._hub, self._watcher, self._clock = worker, hub, watcher, clock
        self._retry = ChainRetry(clock, chain_outage("the adversary"))

    def now(self) -> UnixSeconds:
        """Return the time."""
        return self._clock.now()

    async def seen(self, task_id: TaskId, met: Callable[[TaskView], bool]) -> TaskView:
        """Look at a task and all its contributions with every head until a condition is met."""
        view = await self._retry.ask(lambda: self._look(task_id))
        if met(view):
            return view
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                view = await self._retry.ask(lambda: self._look(task_id))
                if met(view):
                    break
        return view

    async def _look(self, task_id: TaskId) -> TaskView:
        known = (await self._hub.tasks({task_id: ()}))[task_id]
        owners = {*known.contributors, self.worker}
        return (await self._hub.tasks({task_id: owners}))[task_id]
