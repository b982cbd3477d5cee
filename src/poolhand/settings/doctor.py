"""What the doctor needs to know of a worker's settings, of which some may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.sandbox_level import SandboxLevel
from poolhand.settings.app_network import AppNetworkSettings, app_network_of
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_settings
from poolhand.settings.cluster import ClusterSettings, cluster_settings
from poolhand.settings.gpus import gpus_wanted
from poolhand.settings.home import at_home
from poolhand.settings.load import BadSetting, Option, Settings, address_or_none, web_url
from poolhand.settings.sandbox import vm_kernel
from poolhand.settings.worker import WORKER_OPTIONS, WorkerSettings, without_effect

POOL_URL: Final = Option(
    "pool-url", "POOLHAND_POOL_URL", web_url, "", "URL of the pool, as --core-url"
)
_POOL: Final = "pool-address"
DOCTOR_OPTIONS: Final[tuple[Option, ...]] = (
    *(
        replace(each, parse=address_or_none, default="") if each.key == _POOL else each
        for each in WORKER_OPTIONS
    ),
    POOL_URL,
)
"""Every setting of a worker, none of which must be given here."""


@dataclass(frozen=True, slots=True)
class DoctorSettings:
    """A worker as it would be started.

    Attributes:
        chain: Where its hub is; None where no chain is named.
        pool: Its workerpool's contract; None where none is named.
        pool_url: Where the pool is reached.
        base: Its folder.
        slots: Tasks at once; 0: all processors but one.
        gpus: Which of this computer's tasks are given, see ``WorkerSettings``.
        memory: For one task (bytes).
        room: What input, result and working folder of one task may take (bytes).
        disk: What keeps an app within its disk: ``auto``, or a kind.
        sandbox: What stands between apps and the machine: ``auto``, or a level.
        network: Whether apps may use the network.
        app_network: Which hosts they may reach besides.
        docker: Engine to use; None: the usual socket.
        cluster: Where apps run instead; None: on that engine.
        registry: Whose images are wanted first; empty: the public one.
        status_port: Of the status page; 0: any.
        locks: Folder of this machine's wallet locks.
        signer: Unix socket of a signer that runs apart and has the wallet; None: there is none.
        problems: Messages about settings that are missing.
        without_effect: Names that are set and do nothing.
        vm_kernel: Folder of the kernel for virtual machines; None: this computer's own.
    """

    chain: ChainSettings | None
    pool: Address | None
    pool_url: str
    base: Path
    slots: int
    gpus: tuple[str, ...]
    memory: int
    room: int
    disk: str
    sandbox: str
    network: bool
    app_network: AppNetworkSettings
    docker: str | None
    cluster: ClusterSettings | None
    registry: str
    status_port: int
    locks: Path
    signer: Path | None = None
    problems: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()
    vm_kernel: Path | None = None


def doctor_settings(found: Settings, environ: Mapping[str, str]) -> DoctorSettings:
    """Return what is known of a worker's settings.

    Args:
        found: Values of ``DOCTOR_OPTIONS``.
        environ: For names that have no effect.
    """
    problems: list[str] = []
    chain = None
    try:
        chain = chain_settings(found)
    except BadSetting as fault:
        problems.append(str(fault))
    if found[_POOL] is None:
        problems.append(
            "no workerpool is named: set POOL_ADDRESS or give --pool-address, as the pool's page "
            "tells it"
        )
    cluster = None
    try:
        cluster = cluster_settings(found)
    except BadSetting as fault:
        problems.append(str(fault))
    app_network = AppNetworkSettings()
    try:
        app_network = app_network_of(found)
    except BadSetting as fault:
        problems.append(str(fault))
    registries = found["allowed-registries"]
    return DoctorSettings(
        chain=chain,
        pool=found[_POOL],
        pool_url=_pool_url(found),
        base=at_home(found["base-dir"]) / found["name"],
        slots=found["cpus"],
        gpus=gpus_wanted(found),
        memory=found["memory"],
        room=found["all-input"] + found["output"] + found["work"],
        disk=found["disk"],
        sandbox=SandboxLevel.RUNC if cluster else found["sandbox"],
        network=found["allow-network"],
        app_network=app_network,
        docker=found["docker"] or None,
        cluster=cluster,
        registry=registries[0] if registries else "",
        status_port=found["status-port"],
        locks=found["locks"],
        signer=at_home(found["signer"]) if found["signer"] else None,
        problems=tuple(problems),
        without_effect=without_effect(environ),
        vm_kernel=vm_kernel(found),
    )


def _pool_url(found: Settings) -> str:
    """Return the stronger of the two names of the pool's URL."""
    named, usual = str(found["pool-url"]), str(found["core-url"])
    return named if named and found.rank("pool-url") > found.rank("core-url") else usual


def settings_of(worker: WorkerSettings) -> DoctorSettings:
    """Return the same of a worker that is being started."""
    return DoctorSettings(
        chain=worker.chain,
        pool=worker.pool,
        pool_url=worker.pool_url,
        base=worker.base,
        slots=worker.cpus,
        gpus=worker.gpus,
        memory=worker.memory,
        room=worker.all_input_bytes + worker.output + worker.work,
        disk=worker.disk,
        sandbox=SandboxLevel.RUNC if worker.cluster else worker.sandbox,
        network=worker.allow_network,
        app_network=worker.app_network,
        docker=worker.docker,
        cluster=worker.cluster,
        registry=worker.allowed_registries[0] if worker.allowed_registries else "",
        status_port=worker.status_port,
        locks=worker.locks,
        vm_kernel=worker.vm_kernel,
    )
