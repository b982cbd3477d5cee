"""What runs a worker's apps, opened by its settings: an engine of this computer, or a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import structlog

from poolhand.containers.disks import DiskKind, choose
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.docker_logins import RegistryLogins
from poolhand.containers.engine import DEFAULT_URL
from poolhand.containers.engine_disk import disk_lack
from poolhand.containers.engine_look import look_at_engine
from poolhand.containers.gpu_locks import locked_gpus
from poolhand.containers.host_paths import own_container
from poolhand.containers.images import DockerImages
from poolhand.containers.pulls import FindPullLogin, RegistryRule
from poolhand.containers.vm.machines import MachinePlace
from poolhand.domain.doctor.machine import usual_slots
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.gpu import Gpu, NoSuchGpu, chosen_gpus
from poolhand.domain.ids import Address
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel
from poolhand.observe.gpus import find_gpus
from poolhand.ports.images import EngineImages
from poolhand.ports.runtime import ContainerRuntime
from poolhand.settings.cluster import KubernetesSettings, SlurmSettings
from poolhand.settings.worker import WorkerSettings
from poolhand.worker.allowed_places import AllowedPlaces

Lack: TypeAlias = Callable[[], Awaitable[str | None]]
"""Says why no further task would be computed now; None where one would."""
log = structlog.get_logger()


async def _nothing() -> str | None:
    return None


async def _no_hosts() -> str | None:
    return "apps on a cluster have no network"


@dataclass(frozen=True, slots=True)
class WorkerEngine:
    """What runs apps.

    Attributes:
        runtime: Runs them.
        disk: What keeps them within their disks.
        slots: Tasks at once.
        sandbox: Tells what they run in; None: not known yet, for the engine has not answered.
        lack: Of a cluster's room; None on this computer, which has room for all its slots.
        disk_lack: Why the engine has no room for anything new; None where it has.
        images: Which it keeps; None: they are not ours to remove.
        hosts_lack: Why apps cannot be let through to hosts; None where they can.
    """

    runtime: ContainerRuntime
    disk: DiskKind
    slots: int
    sandbox: Callable[[], Sandbox | None] = lambda: Sandbox(SandboxLevel.RUNC)
    lack: Lack | None = None
    disk_lack: Lack | None = None
    images: EngineImages | None = None
    hosts_lack: Lack = _no_hosts


@contextmanager
def worker_gpus(settings: WorkerSettings, root: Path = Path("/")) -> Iterator[tuple[Gpu, ...]]:
    """Yield the GPUs that tasks are given, which are no other worker's meanwhile.

    Args:
        settings: Say which are wanted.
        root: Below which this computer's files are.

    Raises:
        NoSuchGpu: This computer does not have them, or cannot give them.
        GpuInUse: Another worker has one of them.
    """
    if not settings.gpus:
        yield ()
        return
    if own_container() is not None:
        raise NoSuchGpu(
            "no GPU can be given to tasks (a worker in a container sees neither their files nor "
            "their drivers): run it outside, or leave --gpu out"
        )
    gpus = chosen_gpus(find_gpus(root), settings.gpus)
    with locked_gpus(settings.locks, gpus):
        yield gpus


@asynccontextmanager
async def open_engine(
    settings: WorkerSettings, root: Path = Path("/")
) -> AsyncIterator[WorkerEngine]:
    """Yield what runs apps.

    Args:
        settings: Of the worker.
        root: Below which the files of this computer's GPUs are.

    Raises:
        RuntimeDown: A cluster does not answer; this computer's engine may be away.
        NoSuchDisk, NoSuchSandbox: What the operator wants apps to be kept in does not work here.
    """
    login_of = RegistryLogins(settings.registries, settings.docker_config).of
    may_ask = AllowedPlaces.of(settings).may_ask
    if settings.cluster is not None:
        asked = (settings.cpus, login_of, may_ask)
        async with (
            _open_slurm(settings.cluster, *asked)
            if isinstance(settings.cluster, SlurmSettings)
            else _open_kubernetes(settings.cluster, *asked)
        ) as cluster:
            yield cluster
        return
    disks = await asyncio.to_thread(
        choose, settings.disk, settings.base / "tasks", settings.docker or DEFAULT_URL
    )
    async with (
        DockerRuntime.open(
            settings.docker,
            login_of=login_of,
            absent_ok=True,
            may_ask=may_ask,
            sandbox=settings.sandbox,
            network=settings.allow_network,
            sidecar_image=settings.app_network.image,
            disks=disks,
            inside=own_container(),
            gpus=bool(settings.gpus),
            files=root,
            machines=MachinePlace(settings.base / "vm", settings.vm_kernel),
        ) as docker,
        DockerImages.open(settings.docker) as images,
    ):
        slots = settings.cpus
        if settings.are_usual_slots:
            slots = await slots_of(settings.docker or DEFAULT_URL, slots)
        yield WorkerEngine(
            docker,
            disks.kind,
            slots,
            lambda: docker.sandbox,
            disk_lack=partial(disk_lack, settings.docker or DEFAULT_URL),
            images=images,
            hosts_lack=_nothing if settings.allow_network else docker.hosts_lack,
        )


async def slots_of(url: str, slots: int) -> int:
    """Return how many tasks an engine computes at once, of so many that this computer would.

    Docker Desktop and engines elsewhere have CPUs of their own. One that is away, or does not tell,
    is taken to have this computer's.
    """
    try:
        cpus = (await look_at_engine(url)).cpus
    except RuntimeDown:
        return slots
    fewer = min(slots, usual_slots(cpus)) if cpus else slots
    if fewer < slots:
        log.info("fewer_slots", slots=fewer, engine_cpus=cpus)
    return fewer


@asynccontextmanager
async def _open_slurm(
    cluster: SlurmSettings, slots: int, login_of: FindPullLogin, may_ask: RegistryRule
) -> AsyncIterator[WorkerEngine]:
    from poolhand.containers.slurm.client import Place  # noqa: PLC0415 - only where one is used
    from poolhand.containers.slurm.engine import SlurmRuntime  # noqa: PLC0415 - as above

    place = Place(cluster.partition, cluster.account, cluster.options)
    async with SlurmRuntime.open(
        cluster.shared, place, login_of=login_of, may_ask=may_ask
    ) as slurm:
        slots = slots or max((await slurm.room()).processors, 1)
        yield WorkerEngine(slurm, DiskKind.WATCH, slots, lack=partial(slurm.lack, slots))


@asynccontextmanager
async def _open_kubernetes(
    cluster: KubernetesSettings, slots: int, login_of: FindPullLogin, may_ask: RegistryRule
) -> AsyncIterator[WorkerEngine]:
    from poolhand.containers.kubernetes.engine import KubernetesRuntime  # noqa: PLC0415 - as above
    from poolhand.containers.kubernetes.manifest import KubernetesPlace  # noqa: PLC0415
    from poolhand.containers.kubernetes.proxy import kubectl_proxy  # noqa: PLC0415

    place = KubernetesPlace(cluster.namespace, cluster.claim, cluster.shared, cluster.seccomp)
    async with (
        kubectl_proxy(cluster.context) as http,
        KubernetesRuntime.open(http, place, login_of=login_of, may_ask=may_ask) as kubernetes,
    ):
        slots = slots or await kubernetes.slots()
        yield WorkerEngine(kubernetes, DiskKind.WATCH, slots, lack=kubernetes.lack)


def tasks_folder(settings: WorkerSettings, wallet: Address) -> Path:
    """Return where the folders of tasks lie: on a cluster, where all nodes see them."""
    if settings.cluster is None:
        return settings.base / "tasks"
    return settings.cluster.shared / "tasks" / f"{wallet}-{settings.name}"
