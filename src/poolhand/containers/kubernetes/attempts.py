"""Attempts as jobs of Kubernetes: prepared, created, looked for and removed."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog

from poolhand.containers.disks import DiskKind, TaskDisks
from poolhand.containers.errors import ContainerRefused, DiskUnready
from poolhand.containers.folders import remove
from poolhand.containers.kubernetes.api import KubernetesApi
from poolhand.containers.kubernetes.manifest import (
    ATTEMPT_LABEL,
    RUN_LABEL,
    KubernetesPlace,
    job_manifest,
    job_name,
    run_id,
)
from poolhand.containers.kubernetes.pods import Pod
from poolhand.containers.sandbox import RESULT_FILES, SandboxTerms
from poolhand.containers.slurm.bundle import user_of
from poolhand.containers.slurm.images import SharedImages
from poolhand.containers.slurm.jobs import fill_from
from poolhand.containers.slurm.shared_files import ASIDE
from poolhand.containers.slurm.watch import set_aside
from poolhand.containers.working_folder import FILES, WorkingFolderTooLarge
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerSpec

LONGEST_POD_REMOVAL: Final = 30.0
"""Seconds for the pods of a run that is removed to be gone; then they are left to the cluster."""
PAUSE_BETWEEN_REMOVAL_LOOKS: Final = 0.25
"""Seconds."""

log = structlog.get_logger()


class KubernetesAttempts:
    """The jobs of one worker.

    Args:
        api: Of the cluster.
        place: Where jobs run.
        images: What is known of images.
    """

    def __init__(self, api: KubernetesApi, place: KubernetesPlace, images: SharedImages) -> None:
        self.api, self.place = api, place
        self._images, self._disks = images, TaskDisks(DiskKind.WATCH)

    async def jobs(self, name: str) -> list[dict[str, Any]]:
        """Return the jobs of a run, the newest last."""
        found = await self.api.jobs(f"{RUN_LABEL}={run_id(name)}")
        return sorted(found, key=attempt_of)

    async def pod(self, name: str) -> Pod | None:
        """Return the newest pod of a run; None: there is none now."""
        pods = await self.api.pods(RUN_LABEL, run_id(name))
        return pods[-1] if pods else None

    async def put(self, spec: ContainerSpec, attempt: int, without: tuple[str, ...]) -> None:
        """Prepare an attempt and create its job, for any node but some.

        Raises:
            ContainerRefused: It can never be run.
            DiskUnready: What it may write to cannot be emptied.
        """
        manifest = await asyncio.to_thread(self._prepare, spec, attempt, without)
        await self.api.create_job(manifest)
        log.info("job_created", container=spec.name, job=job_name(spec.name, attempt))

    async def remove(self, name: str) -> None:
        """Remove a run: its jobs, their pods, and once those are gone what was moved aside."""
        for job in await self.jobs(name):
            await self.api.delete_job(job["metadata"]["name"])
        until = time.monotonic() + LONGEST_POD_REMOVAL
        while (pod := await self.pod(name)) is not None and time.monotonic() < until:
            await self.api.delete_pod(pod.name)
            await asyncio.sleep(PAUSE_BETWEEN_REMOVAL_LOOKS)
        await asyncio.to_thread(self._clear_aside, name)

    async def put_aside(self, spec: ContainerSpec, attempt: int) -> None:
        """Move what a lost node may still write to out of the way; a mount there follows it."""
        place = self.place.shared / ASIDE / f"{run_id(spec.name)}-{attempt}"
        await asyncio.to_thread(set_aside, spec, place)

    def _clear_aside(self, name: str) -> None:
        for place in (self.place.shared / ASIDE).glob(f"{run_id(name)}-*"):
            try:
                remove(place)
            except OSError as fault:  # a lost node still writes there: another day
                log.info("aside_left", container=name, cause=str(fault))

    def _prepare(
        self, spec: ContainerSpec, attempt: int, without: tuple[str, ...]
    ) -> dict[str, Any]:
        image, root = self._images.config(spec.image), self._images.root(spec.image)
        if image is None:
            raise ContainerRefused(spec.name, f"image {shown(spec.image, 300)} is not present")
        for mount in spec.mounts:
            if not Path(mount.source).is_dir():
                raise ContainerRefused(spec.name, f"{mount.source}, to be mounted, is no folder")
            if mount.writable:
                self._lay(spec, mount.source, spec.limits.output, RESULT_FILES)
        terms = SandboxTerms.of(image, os.getuid())
        if terms.start is not None and spec.workplace:
            self._lay(spec, spec.workplace, spec.limits.work, FILES)
            try:
                fill_from(root, terms.start, Path(spec.workplace), spec.limits.work)
            except WorkingFolderTooLarge:
                log.warning("working_folder_read_only", image=spec.image, limit=spec.limits.work)
                terms = replace(terms, start=None)
        user = user_of(spec, terms, image, root)
        return job_manifest(spec, terms, user, self.place, attempt, without)

    def _lay(self, spec: ContainerSpec, folder: str, size: int, files: int) -> None:
        try:
            self._disks.lay(Path(folder), size, files)
        except OSError as fault:
            why = f"{folder} cannot be made an empty folder: {fault}"
            raise DiskUnready(spec.name, why) from fault


def attempt_of(job: dict[str, Any]) -> int:
    """Return which attempt of its run a job is."""
    return int(job["metadata"]["labels"][ATTEMPT_LABEL])
