"""Composition root of the doctor: joins its checks to the world, as a worker would meet it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from poolhand.chain import Chain, connect
from poolhand.containers.disks import PROMISES, DiskKind, choose
from poolhand.containers.engine import DEFAULT_URL
from poolhand.containers.engine_look import look_at_engine
from poolhand.containers.sandboxes import look_at_sandbox
from poolhand.containers.vm.machines import MachinePlace
from poolhand.domain.doctor.engine import EngineFacts
from poolhand.domain.doctor.findings import CheckOutcome, Examination
from poolhand.domain.ids import Address
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel
from poolhand.keys.keystore import open_wallet
from poolhand.keys.lock import held_by
from poolhand.keys.signer_socket import look_at_signer
from poolhand.keys.stored import StoredWallet
from poolhand.observe.disk_space import free_bytes
from poolhand.settings.cluster import ClusterSettings, SlurmSettings
from poolhand.settings.doctor import DoctorSettings, settings_of
from poolhand.settings.worker import WorkerSettings
from poolhand.transport.clock import SystemClock
from poolhand.transport.listen import CannotListen, PortBusy, bind
from poolhand.transport.plumbing import is_loopback
from poolhand.transport.pool_client import POOL_CLIENT_CAPS, PoolClient
from poolhand.web.client import AnswerTooLarge, NoAnswer, ask
from poolhand.web.trusted import trusted
from poolhand.worker.disk_watch import nearest
from poolhand.worker.doctor.checks import AT_A_START, PUBLIC_REGISTRY, Doctor
from poolhand.worker.doctor.hosts_look import look_at_hosts
from poolhand.worker.doctor.looks import (
    DiskLook,
    DoctorLooks,
    KeystoreLook,
    SeenChain,
    SignerLook,
)
from poolhand.worker.doctor.machine_look import look_at_machine, look_at_namespaces
from poolhand.worker.doctor.page import Examine, LastingExamination
from poolhand.worker.pid_file import read

DOCTOR_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
"""Seconds for pool and registry to answer."""
_CLUSTERS_DISK: Final = DiskLook(
    "folders on the cluster's shared file system are measured once a second, and an app can take "
    "more of it for as long as it runs; a quota of that file system keeps it in bounds",
    by_kernel=False,
    is_seen=True,
)
_PUBLIC_HOST: Final = "registry-1.docker.io"
"""Where the public registry answers, whose name in images is ``docker.io``."""

log = structlog.get_logger()


class AskedPool(PoolClient):
    """A worker's pool, which its operator names as ``--core-url``."""

    remedy = "check --core-url, or wait until its owner has started it"


async def examine_worker(
    settings: DoctorSettings,
    wallet: Callable[[], StoredWallet],
    password: Callable[[], str],
    source: Callable[[int, Address, Sequence[str]], str],
) -> Examination:
    """Look at all that a worker needs, before it is started or while it runs.

    Args:
        settings: Of the worker.
        wallet: Finds its wallet; raises a ``Refused`` that says why there is none.
        password: Returns the password that was told; empty where none was.
        source: Says where coin and RLC of a chain come from, for a wallet, by chain id and nodes.
    """
    nodes = () if settings.chain is None else settings.chain.rpc_urls

    def told_source(chain_id: int, who: Address) -> str:
        return source(chain_id, who, nodes)

    def opened() -> bool:
        told = password()
        if told:
            found = wallet()
            open_wallet(found.path, found.path.parent, told)
        return bool(told)

    async with AsyncExitStack() as stack:

        async def chain() -> SeenChain:
            assert settings.chain is not None
            return await stack.enter_async_context(connect(settings.chain))

        seen = _looks(settings, wallet, opened, chain, told_source)
        looks = await stack.enter_async_context(seen)
        return await Doctor(settings, looks, SystemClock()).examine()


async def tell_at_start(examine: Examine) -> None:
    """Log what is not as it should be."""
    for each in (await examine()).findings:
        if each.outcome is not CheckOutcome.PASS:
            tell = log.warning if each.outcome is CheckOutcome.FAIL else log.info
            tell("check_told", check=str(each.check), outcome=str(each.outcome),
                 cause=each.found, next_step=each.fix)  # fmt: skip


def running_doctor(worker: WorkerSettings, chain: Chain, wallet: Address) -> Examine:
    """Return what looks at all that a worker does not find out by starting.

    Args:
        worker: Its settings.
        chain: Connected.
        wallet: Of the worker, which holds it.
    """
    return LastingExamination(partial(_examine_started, worker, chain, wallet), SystemClock())


async def _examine_started(worker: WorkerSettings, chain: Chain, wallet: Address) -> Examination:
    settings = settings_of(worker)

    async def connected() -> SeenChain:
        return chain

    def stored() -> StoredWallet:
        return StoredWallet(wallet, worker.wallet or worker.base)  # no check looks at the file

    async with _looks(settings, stored, lambda: True, connected, lambda _id, _who: "") as looks:
        return await Doctor(settings, looks, SystemClock()).examine(AT_A_START)


@asynccontextmanager
async def _looks(
    settings: DoctorSettings,
    wallet: Callable[[], StoredWallet],
    opened: Callable[[], bool],
    chain: Callable[[], Coroutine[Any, Any, SeenChain]],
    source: Callable[[int, Address], str],
) -> AsyncIterator[DoctorLooks]:
    """Yield the ways to look at this machine and its surroundings."""
    engine, cluster = settings.docker or DEFAULT_URL, settings.cluster

    async with httpx.AsyncClient(timeout=DOCTOR_TIMEOUT, verify=trusted(), trust_env=False) as http:
        yield DoctorLooks(
            machine=look_at_machine,
            namespaces=look_at_namespaces,
            room=lambda: free_bytes(nearest(settings.base)),
            disk=lambda: _CLUSTERS_DISK if cluster else _disk(settings.disk, engine),
            engine=partial(_look_at, cluster) if cluster else partial(look_at_engine, engine),
            sandbox=(
                partial(
                    look_at_sandbox,
                    engine,
                    settings.sandbox,
                    network=settings.network,
                    gpus=bool(settings.gpus),
                    machines=MachinePlace(settings.base / "vm", settings.vm_kernel),
                )
                if cluster is None
                else _sandbox_of_cluster
            ),
            hosts=partial(look_at_hosts, settings),
            keystore=lambda: _signer(settings.signer) if settings.signer else _keystore(wallet()),
            opened=opened,
            held=partial(held_by, settings.locks),
            runs=partial(_runs, settings.base),
            chain=chain,
            pool=AskedPool(http, settings.pool_url),
            registry=partial(_registry, http),
            port=_port,
            environ=os.environ,
            source=source,
        )


async def _look_at(cluster: ClusterSettings) -> EngineFacts:
    if isinstance(cluster, SlurmSettings):
        from poolhand.containers.slurm.client import Place  # noqa: PLC0415 - only where one is used
        from poolhand.containers.slurm.look import look_at_cluster  # noqa: PLC0415 - as above

        place = Place(cluster.partition, cluster.account, cluster.options)
        return await look_at_cluster(cluster.shared, place)
    from poolhand.containers.kubernetes.look import look_at_kubernetes  # noqa: PLC0415 - as above
    from poolhand.containers.kubernetes.manifest import KubernetesPlace  # noqa: PLC0415
    from poolhand.containers.kubernetes.proxy import kubectl_proxy  # noqa: PLC0415

    async with kubectl_proxy(cluster.context) as http:
        return await look_at_kubernetes(
            http, KubernetesPlace(cluster.namespace, cluster.claim, cluster.shared)
        )


def _disk(wanted: str, engine: str) -> DiskLook:
    """Try which kind of disk this machine can give; the trial leaves nothing."""
    with tempfile.TemporaryDirectory(prefix="poolhand-doctor-") as folder:
        disks = choose(wanted, Path(folder), engine)
    by_kernel = disks.kind is not DiskKind.WATCH
    return DiskLook(PROMISES[disks.kind], by_kernel, not by_kernel or disks.is_seen())


async def _sandbox_of_cluster() -> Sandbox:
    return Sandbox(SandboxLevel.RUNC)


def _keystore(found: StoredWallet) -> KeystoreLook:
    return KeystoreLook(str(found.path), found.path.stat().st_mode, found.address)


def _signer(socket: Path) -> SignerLook:
    told = look_at_signer(socket)
    return SignerLook(str(socket), told.waits, told.wallet)


def _runs(base: Path) -> str | None:
    pid_file = read(base)
    return str(pid_file.pid) if pid_file is not None and pid_file.is_running else None


async def _registry(http: httpx.AsyncClient, place: str) -> str:
    """Ask a registry for its version, which every one answers, if only with a refusal."""
    host = _PUBLIC_HOST if place == PUBLIC_REGISTRY else place
    scheme = "http" if is_loopback(host.rpartition(":")[0] or host) else "https"
    try:
        await ask(http, "GET", f"{scheme}://{host}/v2/", POOL_CLIENT_CAPS)
    except NoAnswer as fault:
        return str(fault)
    except AnswerTooLarge:
        return ""
    return ""


def _port(port: int) -> str:
    try:
        bind("127.0.0.1", port, "--status-port").close()
    except (PortBusy, CannotListen) as fault:
        return str(fault)
    return ""
