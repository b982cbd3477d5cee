"""A Slurm cluster as a ``ContainerRuntime``: each run is a job, and outlives this process.

A job that is lost with its node is put to another node by the worker itself, not by the cluster's
requeueing: that waits minutes, and would start twice what only seemed lost. Before, its writable
folders are moved aside, so that a node that comes back writes where nobody reads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Self

import structlog

from poolhand.containers.births import Births
from poolhand.containers.errors import check_owner
from poolhand.containers.followers import Followers
from poolhand.containers.pulls import FindPullLogin, RegistryRule, any_registry, no_login
from poolhand.containers.slurm import printed
from poolhand.containers.slurm.client import ClusterRoom, JobState, Place, SlurmClient
from poolhand.containers.slurm.images import SharedImages
from poolhand.containers.slurm.jobs import JobFiles, Jobs
from poolhand.containers.slurm.run_folder import RunFolder
from poolhand.containers.slurm.shared_files import lay_folders, lay_init, lay_runner
from poolhand.containers.slurm.watch import RunWatch
from poolhand.containers.written import flush_written
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, ContainerUse, LogLine

LONGEST_SILENCE: Final = 30.0
"""Seconds without a sign of life after which a node that runs a job is taken for lost."""

log = structlog.get_logger()


class SlurmRuntime:
    """Runs containers on the nodes of a cluster; made by ``open``.

    Args:
        client: Asks the controller.
        images: On the shared folder.
        runs: Folder of the runs there.
        files: What jobs need beside.
        silence: Seconds without a sign of life after which a node is taken for lost.
    """

    def __init__(
        self,
        client: SlurmClient,
        images: SharedImages,
        runs: Path,
        files: JobFiles,
        silence: float = LONGEST_SILENCE,
    ) -> None:
        self.client, self._images, self._runs = client, images, runs
        self._jobs, self._silence = Jobs(client, images, files), silence
        self._births, self._followers = Births[None](), Followers()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        shared: Path,
        place: Place = Place(),
        *,
        login_of: FindPullLogin = no_login,
        may_ask: RegistryRule = any_registry,
        silence: float = LONGEST_SILENCE,
    ) -> AsyncIterator[Self]:
        """Be a client of a cluster until the end of the context; jobs go on.

        Args:
            shared: A folder that this machine and all nodes see under the same name.
            place: Where jobs go.
            login_of: Finds the login of a registry.
            may_ask: Decides which registries are asked for images.
            silence: Seconds without a sign of life after which a node is taken for lost.

        Raises:
            RuntimeDown: The shared folder cannot be written, or this machine has no init.
        """
        try:
            lay_folders(shared, "images", "runs")
            files = JobFiles(lay_runner(shared), lay_init(shared))
        except OSError as fault:
            raise RuntimeDown(
                f"the cluster's shared folder {shared} cannot be used ({fault}): let this user "
                "write there"
            ) from fault
        images = SharedImages(shared / "images", shared / "runs", login_of, may_ask)
        runtime = cls(SlurmClient(place), images, shared / "runs", files, silence)
        try:
            yield runtime
        finally:
            await runtime._births.all_over()

    async def room(self) -> ClusterRoom:
        """Return what the partition has; raises RuntimeDown where nobody tells."""
        return await self.client.room()

    async def lack(self, slots: int) -> str | None:
        """Say why a further job would wait; None where it would not, or all ``slots`` are used.

        Raises:
            RuntimeDown: The controller does not answer.
        """
        room, jobs = await self.client.room(), await self.client.jobs()
        runs = {*await asyncio.to_thread(os.listdir, self._runs)}
        own = [job.state for name, job in jobs.items() if name.rsplit(".", 2)[0] in runs]
        waiting, running = own.count(JobState.WAITING), own.count(JobState.RUNNING)
        if room.free > waiting or running >= slots:
            return None
        where = self.client.place.partition or "usual"
        return (
            f"the cluster's {where} partition has {room.free} free of {room.processors} "
            f"processors, and {waiting} of this worker's jobs wait for one"
        )

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Make an image present; see ``ContainerRuntime.pull``."""
        return await self._images.pull(image, digest, timeout)

    def pulling(self, reference: str) -> int | None:  # noqa: ARG002 - as the port has it
        """Tell of none: the bytes of an image are not counted here."""
        return None

    async def run(self, spec: ContainerSpec) -> ContainerOutcome:
        """Run to the end and remove what is left; see ``ContainerRuntime.run``.

        Raises:
            ContainerRefused: As the port says.
            ContainerRemoved: Somebody else cancelled or removed it meanwhile.
            NoNodeFree: It waited in the queue for so long that the task is better given back.
            RuntimeDown: The cluster does not answer, or lost several nodes with it.
        """
        run = self._of(spec.name)
        joined = await asyncio.to_thread(self._is_there, run, spec)
        await self._births.begin(spec, partial(self._jobs.begin, run, spec))
        outcome = await RunWatch(self._jobs, run, spec, self._silence).outcome()
        await asyncio.to_thread(flush_written, spec)
        await self._followers.heard_out(spec.name)
        await asyncio.to_thread(run.remove)
        return replace(outcome, joined=joined)

    async def follow(self, name: str, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
        """Yield what a container printed; see ``ContainerRuntime.follow``."""
        with self._followers.reading(name) if live else nullcontext():
            async for line in printed.follow(self._of(name), tail, live=live):
                yield line

    async def usage(self, name: str) -> ContainerUse | None:
        """Return what a container uses now; None where none of this name runs."""
        attempt = await asyncio.to_thread(self._of(name).attempt)
        if attempt is None or await asyncio.to_thread(lambda: attempt.is_over):
            return None
        told = await asyncio.to_thread(attempt.members, "alive")
        if told is None:
            return None
        return ContainerUse(int(told["memory"]), float(told["cpu_seconds"]), int(told["processes"]))

    async def set_cpus(self, name: str, cpus: float) -> None:
        """Change nothing: what a job was given when it began stays its own to its end."""

    async def kill(self, name: str) -> None:
        """Stop and remove a container; none of this name is fine."""
        await self._births.over(name)
        run = self._of(name)
        attempt = await asyncio.to_thread(run.attempt)
        if attempt is not None:
            await self._jobs.end(attempt)
        await asyncio.to_thread(run.remove)

    async def orphans(self, label: str) -> tuple[str, ...]:
        """Return the names of all runs with a label ``key=value``."""
        return await asyncio.to_thread(self._labelled, *label.partition("=")[::2])

    async def held_gpus(self, label: str) -> Mapping[str, str]:  # noqa: ARG002 - as the port has it
        """Return that no job has a GPU: none is given one."""
        return {}

    async def sweep(self, label: str, spare: Callable[[str], bool]) -> tuple[str, ...]:
        """Remove the runs with a label; see ``ContainerRuntime.sweep``."""
        removed = []
        for name in await self.orphans(label):
            if not spare(name):
                await self.kill(name)
                log.info("orphan_removed", container=name)
                removed.append(name)
        return tuple(removed)

    def _labelled(self, key: str, value: str) -> tuple[str, ...]:
        runs = (RunFolder(each) for each in sorted(self._runs.iterdir()))
        return tuple(
            run.folder.name
            for run in runs
            if not run.folder.name.startswith(".") and (run.labels or {}).get(key) == value
        )

    def _of(self, name: str) -> RunFolder:
        return RunFolder(self._runs / name)

    def _is_there(self, run: RunFolder, spec: ContainerSpec) -> bool:
        labels = run.labels
        if labels is not None:
            check_owner(spec, labels)
        return labels is not None
