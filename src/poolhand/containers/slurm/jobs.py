"""Attempts as jobs: prepared, submitted, looked for and ended."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tarfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import Final

import structlog

from poolhand.containers.disks import DiskKind, TaskDisks
from poolhand.containers.errors import ContainerRefused, DiskUnready
from poolhand.containers.folders import exceeds
from poolhand.containers.sandbox import LEAST_LOG, RESULT_FILES, SandboxTerms
from poolhand.containers.slurm import runner
from poolhand.containers.slurm.bundle import Ground, User, bundle_config
from poolhand.containers.slurm.client import JobState, SlurmClient, SlurmJob
from poolhand.containers.slurm.images import SharedImages
from poolhand.containers.slurm.layers import Scope
from poolhand.containers.slurm.run_folder import JobAttempt, RunFolder
from poolhand.containers.working_folder import (
    FILES,
    Start,
    WorkingFolderTooLarge,
    names_at_the_top,
    unpack,
)
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerSpec

PAUSE_BETWEEN_JOB_LOOKS: Final = 0.25
"""Seconds between two looks for the end of a job that was cancelled."""
LONGEST_ENDING: Final = 20.0
"""Seconds for a job that is cancelled to be over; then it is left to the cluster."""
RUNNER_MEMORY: Final = 64 * 1024**2
"""Bytes of memory for runc and the runner, beside the app's."""
SPARE_JOB_MINUTES: Final = 2
"""Added to the cluster's own time limit, which is whole minutes: the runner keeps the real one."""
_MIB: Final = 1024**2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class JobFiles:
    """What each job needs: the file that nodes run, and the init of containers."""

    runner: Path
    init: Path


class Jobs:
    """The jobs of one worker.

    Args:
        client: Asks the controller.
        images: On the shared folder.
        files: What jobs need beside.
    """

    def __init__(self, client: SlurmClient, images: SharedImages, files: JobFiles) -> None:
        self.client, self._images, self._files = client, images, files
        self._user = User(os.getuid(), os.getgid())
        self._disks = TaskDisks(DiskKind.WATCH)

    async def begin(self, run: RunFolder, spec: ContainerSpec) -> None:
        """Begin a run, or go on where an earlier life has left off.

        Raises:
            ContainerRefused: It can never be begun.
            RuntimeDown: The cluster does not take it.
        """
        attempt = await asyncio.to_thread(run.attempt)
        if attempt is not None and attempt.is_ready:
            log.info("container_joined", container=spec.name, attempt=attempt.number)
            await self.place(spec, attempt, without=())
            return
        if self._images.config(spec.image) is None:
            raise ContainerRefused(spec.name, f"image {shown(spec.image, 300)} is not present")
        await asyncio.to_thread(run.create, spec.labels)
        if attempt is not None:  # an earlier life was ended while it prepared this
            await asyncio.to_thread(shutil.rmtree, attempt.folder)
        try:
            await self.put(run, spec, without=())
        except ContainerRefused:
            await asyncio.to_thread(run.remove)
            raise

    async def put(
        self, run: RunFolder, spec: ContainerSpec, without: tuple[str, ...]
    ) -> JobAttempt:
        """Prepare an attempt and submit it, to any node but some."""
        attempt = await asyncio.to_thread(run.new_attempt)
        await asyncio.to_thread(self._prepare, attempt, spec)
        await self.place(spec, attempt, without)
        return attempt

    async def place(
        self, spec: ContainerSpec, attempt: JobAttempt, without: tuple[str, ...]
    ) -> None:
        """Submit an attempt, unless that was done: an earlier life may not have noted it."""
        if attempt.has_begun or await asyncio.to_thread(attempt.members, "job") is not None:
            return
        name = await asyncio.to_thread(lambda: attempt.job_name)
        if name in await self.client.jobs():
            return
        words = job_words(name, spec, attempt)
        number = await self.client.submit(self._script(attempt), words, without)
        await asyncio.to_thread(runner.write, attempt.folder / "job", {"number": number})
        log.info("job_submitted", container=spec.name, job=number, attempt=attempt.number)

    async def job(self, attempt: JobAttempt) -> SlurmJob | None:
        """Return what the cluster tells of an attempt's job; None: it knows none."""
        name = await asyncio.to_thread(lambda: attempt.job_name)
        return (await self.client.jobs()).get(name)

    async def cancel(self, attempt: JobAttempt) -> None:
        """Have an attempt's job ended, whenever the cluster gets to it; none is fine."""
        if not attempt.give_up() and attempt.is_over:
            return
        job = await self.job(attempt)
        told = await asyncio.to_thread(attempt.members, "job")
        if job is not None:
            await self.client.cancel(job.number)
        elif told is not None:
            await self.client.cancel(int(told["number"]))

    async def end(self, attempt: JobAttempt) -> None:
        """Do so and wait, for a while, until it is over."""
        await self.cancel(attempt)
        until = time.monotonic() + LONGEST_ENDING
        while time.monotonic() < until and not attempt.is_over:
            job = await self.job(attempt)
            if job is None or job.state is not JobState.RUNNING:
                return
            await asyncio.sleep(PAUSE_BETWEEN_JOB_LOOKS)

    def _script(self, attempt: JobAttempt) -> str:
        return f"#!/bin/sh\nexec python3 '{self._files.runner}' '{attempt.folder}'\n"

    def _prepare(self, attempt: JobAttempt, spec: ContainerSpec) -> None:
        """Lay down what the job needs, what it may write to emptied; the order itself last."""
        for mount in spec.mounts:
            if not Path(mount.source).is_dir():
                raise ContainerRefused(spec.name, f"{mount.source}, to be mounted, is no folder")
            if mount.writable:
                self._lay(spec, mount.source, spec.limits.output, RESULT_FILES)
        image, root = self._images.config(spec.image), self._images.root(spec.image)
        if image is None:
            raise ContainerRefused(spec.name, f"image {shown(spec.image, 300)} is not present")
        terms = SandboxTerms.of(image, self._user.uid)
        if terms.start is not None and spec.workplace:
            self._lay(spec, spec.workplace, spec.limits.work, FILES)
            try:
                fill_from(root, terms.start, Path(spec.workplace), spec.limits.work)
            except WorkingFolderTooLarge:
                log.warning("working_folder_read_only", image=spec.image, limit=spec.limits.work)
                terms = replace(terms, start=None)
        config = bundle_config(spec, image, terms, Ground(root, self._files.init, self._user))
        (attempt.folder / "config.json").write_text(json.dumps(config))
        order = {
            "id": f"{spec.name}.{attempt.number}.{token_hex(4)}",
            "image": root.parent.name,
            "timeout": spec.timeout,
            "log": max(2 * spec.limits.log, LEAST_LOG),
        }
        runner.write(attempt.folder / "order.json", order)

    def _lay(self, spec: ContainerSpec, folder: str, size: int, files: int) -> None:
        try:
            self._disks.lay(Path(folder), size, files)
        except OSError as fault:
            why = f"{folder} cannot be made an empty folder: {fault}"
            raise DiskUnready(spec.name, why) from fault


def job_words(name: str, spec: ContainerSpec, attempt: JobAttempt) -> list[str]:
    """Return how a job is submitted, but for partition and account."""
    minutes = -(-int(spec.timeout) // 60) + SPARE_JOB_MINUTES
    memory = -(-(spec.limits.memory + RUNNER_MEMORY) // _MIB)
    return [
        f"--job-name={name}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={max(-(-int(spec.limits.cpus * 1000) // 1000), 1)}",
        f"--mem={memory}M",
        f"--time={minutes}",
        "--no-requeue",
        "--propagate=NONE",
        "--open-mode=append",
        f"--output={attempt.folder}/words",
        f"--chdir={attempt.folder}",
    ]


def fill_from(root: Path, start: Start, into: Path, most: int) -> None:
    """Copy the folder in which an image's program starts, as ``working_folder.fill`` does.

    Raises:
        WorkingFolderTooLarge: It is larger than half of ``most`` (bytes).
        OSError: The disk failed.
    """
    scope = Scope(root)
    if not start.is_copied:
        for name in names_at_the_top(start):
            if os.path.lexists(root / name):
                (into / name).symlink_to(f"/{name}")
        return
    folder = scope.folder(start.folder.split("/"), make=False)
    if folder is None:
        return
    if exceeds(folder, most // 2):
        raise WorkingFolderTooLarge
    with TemporaryFile(dir=into.parent) as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(folder, arcname="folder", filter=_plain)
        packed.seek(0)
        unpack(packed, into, most // 2)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return member if member.isfile() or member.isdir() or member.issym() or member.islnk() else None
