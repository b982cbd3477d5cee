"""The container engine as stages use it: one that restarts is waited for, not blamed on the app.

So is a disk that an app cannot be given.

Source: Docker 20.10: a container that the engine's end took with it has exit code 137 or 143; 255
when the engine finds it gone at its next start. So has one that ran out of memory where the engine
missed that: its shim tells of want of memory and of the end from two threads, and of the first no
more once the control group is gone (containerd 1.6, ``pkg/oom``); Docker before 24 marks at the end
what it has heard by then, and nothing later (moby, ``daemon/monitor.go``). Asking again, or for its
events, finds out no more for certain. The kernel's log does, for those who may read it
(``containers.engine.ran_out_of_memory``); else the app is run once more, as what was taken away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import structlog
from eth_hash.auto import keccak

from poolhand.containers.errors import DiskUnready, EngineFull
from poolhand.containers.host_paths import name_on_machine
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.gpu import Gpu
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.units import Seconds
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import (
    GPU_LABEL,
    ContainerOutcome,
    ContainerRuntime,
    ContainerSpec,
)
from poolhand.worker.gpus import WorkerGpus

ENGINE_TRIES: Final = 45
PAUSE_BETWEEN_ENGINE_TRIES: Final = 2.0
"""Seconds between two tries to reach the engine: ``ENGINE_TRIES`` of them outlast any restart."""
_MARK: Final = 12
"""Hexadecimal digits that tell workers apart in their containers' names."""
TAKEN_AWAY: Final = frozenset({137, 143, 255})

T = TypeVar("T")
log = structlog.get_logger()


def labels_of(worker: Address, base: Path) -> Mapping[str, str]:
    """Return labels that the containers of one worker have, and no others on the same engine.

    The folder tells apart what wallets do not: the wallets of two devnets are the same, and one
    wallet may work on two chains.
    """
    return {"poolhand.worker": f"{worker}@{name_on_machine(base)}"}


def name_prefix(name: str, labels: Mapping[str, str]) -> str:
    """Return what the names of one worker's containers begin with, and no others' on an engine.

    An engine keeps one container of a name, and two workers of one pool have the same tasks; what
    operators call their workers is the same, too, where nobody has called them anything.
    """
    return f"{name}-{keccak(repr(sorted(labels.items())).encode()).hex()[:_MARK]}"


class AppEngine:
    """One worker's containers on an engine.

    Args:
        runtime: The engine.
        name: Of the worker: its containers' names begin with it, see ``name_prefix``.
        labels: Of its containers, see ``labels_of``.
        clock: For pauses while the engine is away.
        gpus: Say which container has which.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        name: str,
        labels: Mapping[str, str],
        clock: Clock,
        gpus: WorkerGpus,
    ) -> None:
        self._runtime, self._clock = runtime, clock
        self._prefix, self.labels = name_prefix(name, labels), labels
        self.gpus = gpus
        self._away = OutageLog(
            "engine_unreachable",
            "engine_reached",
            acts="operator of the worker",
            next_step="start the container engine; the worker goes on by itself",
        )
        self._unready = OutageLog(
            "app_disk_unready",
            "app_disk_ready",
            acts="operator of the worker",
            next_step="free some space on the disk, or repair it; the worker goes on by itself",
        )

    def container(self, task_id: TaskId) -> str:
        """Name the task's container, the same after every restart."""
        return f"{self._prefix}-{task_id}"

    def gpu_of(self, task_id: TaskId) -> Gpu | None:
        """Return the GPU that a task has now; None: none."""
        return self.gpus.of(self.container(task_id))

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Make an image present; returns the reference to run.

        Raises:
            RuntimeDown: The engine stays away for about a minute and a half, or has no room: that
                is told at once, for each try would fetch up to all that room again.
            ImageNotFound, ImagePullFailed, ImageUnusable: As the port says.
        """
        return await self._until_answered(lambda: self._runtime.pull(image, digest, timeout))

    async def run(self, spec: ContainerSpec, *, with_gpu: bool = False) -> ContainerOutcome:
        """Run a container to its end; once more when something else ended it.

        An app that exits with such a code by itself is run twice: it cannot be told apart.

        Args:
            spec: What to run.
            with_gpu: Whether it gets one of the worker's GPUs; it is waited for.

        Raises:
            RuntimeDown: The engine stays away for about a minute and a half, or no disk can be made
                for the app for so long.
            ContainerRefused, ContainerRemoved: As the port says.
        """
        if not with_gpu:
            return await self._run_lasting(spec)
        async with self.gpus.given(spec.name, self) as gpu:
            labels = {**spec.labels, GPU_LABEL: gpu.name}
            return await self._run_lasting(replace(spec, gpu=gpu, labels=labels))

    async def _run_lasting(self, spec: ContainerSpec) -> ContainerOutcome:
        outcome = await self._run(spec)
        if not _was_taken_away(outcome):
            return outcome
        log.warning("container_taken_away", container=spec.name, exit_code=outcome.exit_code)
        return await self._run(spec)

    async def _run(self, spec: ContainerSpec) -> ContainerOutcome:
        outcome = await self._until_answered(lambda: self._runtime.run(spec))
        if not outcome.joined:  # else no disk was made for it now
            self._unready.over()
        return outcome

    async def set_cpus(self, tasks: Collection[TaskId], cpus: float) -> None:
        """Give the containers of some tasks so many processors, as far as the engine answers."""
        for each in tasks:
            try:
                await self._runtime.set_cpus(self.container(each), cpus)
            except RuntimeDown as fault:
                log.warning("task_cpus_unchanged", task_id=str(each), cause=str(fault))

    async def kill(self, task_id: TaskId) -> None:
        """Remove the task's container, however long that takes; none is fine."""
        name = self.container(task_id)
        await self._in_time(lambda: self._runtime.kill(name), task_id=str(task_id))
        self.gpus.release(name)

    async def sweep(self, held: Callable[[], Collection[TaskId]]) -> None:
        """Remove the containers that an earlier life of this worker has left, once.

        Args:
            held: The tasks at that time, whose containers go on.

        Raises:
            RuntimeDown: The engine does not answer.
        """
        await self._runtime.sweep(
            self._label, lambda name: name in {self.container(each) for each in held()}
        )

    @property
    def _label(self) -> str:
        """What all its containers have, as an engine is asked for it."""
        ((key, value),) = self.labels.items()
        return f"{key}={value}"

    async def held_gpus(self) -> Mapping[str, str]:
        """Return the names of the GPUs that this worker's containers have, by their own names.

        Raises:
            RuntimeDown: The engine stays away for about a minute and a half.
        """
        return await self._until_answered(lambda: self._runtime.held_gpus(self._label))

    async def remove(self, name: str) -> None:
        """Remove a container by its name; raises as ``held_gpus``."""
        await self._until_answered(lambda: self._runtime.kill(name))

    async def sweep_in_time(self, held: Callable[[], Collection[TaskId]]) -> None:
        """Do so as soon as the engine answers."""
        await self._in_time(lambda: self.sweep(held))

    async def _until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the engine until it answers; raises RuntimeDown where it stays away."""
        tries = 0
        while True:
            try:
                answer = await ask()
            except EngineFull:
                self._away.over()
                raise
            except RuntimeDown as fault:
                self._tell(fault)
                if tries == ENGINE_TRIES:
                    raise
            else:
                self._away.over()
                return answer
            tries += 1
            await self._clock.sleep(PAUSE_BETWEEN_ENGINE_TRIES)

    async def _in_time(self, ask: Callable[[], Awaitable[T]], **facts: str) -> T:
        """Ask the engine until it answers, however long that takes.

        Args:
            ask: What to ask.
            facts: Told with the outage.
        """
        while True:
            try:
                answer = await ask()
            except RuntimeDown as fault:
                self._tell(fault, **facts)
                await self._clock.sleep(PAUSE_BETWEEN_ENGINE_TRIES)
            else:
                self._away.over()
                return answer

    def _tell(self, fault: RuntimeDown, **facts: str) -> None:
        """Note what is wrong; an engine that has no disk for an app has answered."""
        if isinstance(fault, DiskUnready):
            self._away.over()
            self._unready.tell(fault, **facts)
        else:
            self._away.tell(fault, **facts)


def _was_taken_away(outcome: ContainerOutcome) -> bool:
    ours = outcome.timed_out or outcome.out_of_memory or outcome.output_too_large
    return outcome.exit_code in TAKEN_AWAY and not ours
