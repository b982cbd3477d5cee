"""Which of a worker's GPUs which task has: one for one container, for as long as that exists.

The containers' labels say so, and are asked each time: a worker that is started again knows from
them what its containers have. In between this process remembers what it has given to those that
are not made yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog

from poolhand.domain.gpu import Gpu, free_gpu
from poolhand.ports.clock import Clock

PAUSE_BETWEEN_GPU_LOOKS: Final = 2.0
"""Seconds between two looks for a GPU that has become free."""

log = structlog.get_logger()


class GpuHolder(Protocol):
    """One worker's containers on an engine: ``worker.app_engine``."""

    async def held_gpus(self) -> Mapping[str, str]:
        """Return the names of the GPUs that they have, by their own names."""

    async def remove(self, name: str) -> None:
        """Remove one of them; none is fine."""


class WorkerGpus:
    """Gives each container that needs one a GPU.

    Args:
        gpus: The worker's.
        clock: For pauses while none is free.
    """

    def __init__(self, gpus: Sequence[Gpu], clock: Clock) -> None:
        self.gpus, self._clock = tuple(gpus), clock
        self._given: dict[str, Gpu] = {}
        self._choosing = asyncio.Lock()

    def of(self, container: str) -> Gpu | None:
        """Return the GPU with which a container is run now; None: with none."""
        return self._given.get(container)

    @asynccontextmanager
    async def given(self, container: str, engine: GpuHolder) -> AsyncIterator[Gpu]:
        """Yield the GPU that a container has, or gets: where none is free, once one is.

        A run that is cancelled leaves its container alone: it keeps the GPU until ``release``.

        Args:
            container: Its name.
            engine: Tells what the worker's containers have.

        Raises:
            RuntimeDown: The engine does not tell what its containers have.
        """
        gpu = await self._choose(container, engine)
        try:
            yield gpu
        except asyncio.CancelledError:
            raise  # the engine may still be making the container
        except BaseException:
            self.release(container)
            raise
        self.release(container)

    def release(self, container: str) -> None:
        """Let go of what a container had, which is gone; repeatable."""
        self._given.pop(container, None)

    async def _choose(self, container: str, engine: GpuHolder) -> Gpu:
        is_told = False
        while True:
            async with self._choosing:
                chosen = await self._free(container, engine)
                if chosen is not None:
                    self._given[container] = chosen
                    return chosen
            if not is_told:
                log.info("gpu_awaited", container=container, gpus=len(self.gpus))
                is_told = True
            await self._clock.sleep(PAUSE_BETWEEN_GPU_LOOKS)

    async def _free(self, container: str, engine: GpuHolder) -> Gpu | None:
        """Return the GPU that a container has, or one that no other has; None: there is none."""
        if container in self._given:
            return self._given[container]
        held = await engine.held_gpus()
        mine, known = held.get(container), {each.name: each for each in self.gpus}
        if mine is not None and mine in known:
            return known[mine]
        if mine is not None:
            log.warning("gpu_gone", container=container, gpu=mine)
            await engine.remove(container)
        return free_gpu(self.gpus, {*held.values(), *(each.name for each in self._given.values())})
