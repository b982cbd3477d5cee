"""What runs a worker's apps, opened by its settings: an engine of this computer, or a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from poolhand.containers.disks import DiskKind, choose
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.docker_logins import RegistryLogins
from poolhand.containers.engine import DEFAULT_URL
from poolhand.containers.host_paths import own_container
from poolhand.containers.slurm.client import Place
from poolhand.containers.slurm.engine import SlurmRuntime
from poolhand.domain.ids import Address
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import ContainerRuntime
from poolhand.settings.worker import WorkerSettings
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.cluster_watch import ClusterWatch
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.standing import Hold


@asynccontextmanager
async def open_engine(
    settings: WorkerSettings,
) -> AsyncIterator[tuple[ContainerRuntime, DiskKind, WorkerSettings]]:
    """Yield what runs apps, what keeps them within their disks, and the settings with its slots.

    Raises:
        RuntimeDown: A cluster does not answer; this computer's engine may be away.
    """
    login_of = RegistryLogins(settings.registries, settings.docker_config).of
    may_ask, cluster = AllowedPlaces.of(settings).may_ask, settings.cluster
    if cluster is not None:
        place = Place(cluster.partition, cluster.account, cluster.options)
        async with SlurmRuntime.open(
            cluster.shared, place, login_of=login_of, may_ask=may_ask
        ) as slurm:
            slots = settings.cpus or max((await slurm.room()).processors, 1)
            yield slurm, DiskKind.WATCH, replace(settings, cpus=slots)
        return
    disks = await asyncio.to_thread(
        choose, settings.disk, settings.base / "tasks", settings.docker or DEFAULT_URL
    )
    async with DockerRuntime.open(
        settings.docker,
        login_of=login_of,
        absent_ok=True,
        may_ask=may_ask,
        disks=disks,
        inside=own_container(),
    ) as docker:
        yield docker, disks.kind, settings


def tasks_folder(settings: WorkerSettings, wallet: Address) -> Path:
    """Return where the folders of tasks lie: on a cluster, where all nodes see them."""
    if settings.cluster is None:
        return settings.base / "tasks"
    return settings.cluster.shared / "tasks" / f"{wallet}-{settings.name}"


def room_watch(
    runtime: ContainerRuntime, slots: int, member: PoolMember, clock: Clock
) -> ClusterWatch | None:
    """Return what has the pool told while a cluster has no room; None where there is none."""
    if not isinstance(runtime, SlurmRuntime):
        return None
    return ClusterWatch(partial(runtime.lack, slots), partial(member.hold, Hold.CLUSTER), clock)
