"""What a worker's operator decides, under the environment names of iExec's worker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from poolhand.domain.doctor.findings import CheckOutcome
from poolhand.domain.doctor.machine import judge_cpus, usual_slots
from poolhand.domain.ids import Address
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.units import NanoRlc, Seconds, parse_rlc
from poolhand.settings.app_network import APP_NETWORK_OPTIONS, AppNetworkSettings, app_network_of
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.cluster import CLUSTER_OPTIONS, ClusterSettings, cluster_settings
from poolhand.settings.gpus import GPU_OPTIONS, worker_gpu_names
from poolhand.settings.home import at_home
from poolhand.settings.load import (
    BadSetting,
    Option,
    Settings,
    address,
    address_or_none,
    flag,
    size,
    web_url,
    whole,
    words,
)
from poolhand.settings.locks import LOCKS
from poolhand.settings.payout import PAYOUT_ADDRESS, payout_address
from poolhand.settings.preferences import (
    LIVE_BY_KEY,
    LIVE_OPTIONS,
    preferences_of,
)
from poolhand.settings.registries import (
    DOCKER_CONFIG,
    DOCKER_CONFIG_OPTION,
    RegistryLogin,
    registry_logins,
)
from poolhand.settings.sandbox import SANDBOX_OPTIONS, sandbox_wanted, vm_kernel
from poolhand.settings.tee import WORKER_TEE_OPTIONS, simulated_tee_file
from poolhand.settings.wallets import wallet_options, wallet_path

DISKS: Final = ("auto", "loop", "tmpfs", "watch")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_DURATION: Final = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker.

    Attributes:
        chain: Where the hub is.
        pool: The workerpool's contract.
        pool_url: Where its scheduler is reached.
        name: Part of folder and container names.
        base: Folder of journal and task files.
        wallet, password: Keystore file and its password; no wallet where the signer runs apart.
        signer: Unix socket of a signer that runs apart; None: the worker starts its own.
        cpus: Tasks computed at once (one CPU each); 0, on a cluster: as many as it has CPUs.
        are_usual_slots: Nobody said how many: an engine with fewer CPUs gets fewer.
        tee: Frameworks of confidential tasks that are shown to the pool to work.
        simulated_tee: File of a simulated machine that quotes for them; None: this machine does.
        gpus: Which of this computer's GPUs tasks are given: numbers and names, or ``ALL_GPUS``.
        memory: For one container (bytes).
        tmp, output: Largest /tmp and /iexec_out of a container (bytes).
        work: Of the writable folder in which an app starts (bytes); 0: it is read-only.
        disk: What keeps an app within these limits: ``auto``, or a kind of disk.
        pids: Processes of one container.
        sandbox: What stands between apps and the machine: a level, or ``auto``.
        input_bytes, all_input_bytes: Largest dataset or input file, and all of a task (bytes).
        least_pull_timeout, pull_timeout, download_timeout: For one image, one file (seconds).
        developer_logger: Whether what apps print goes into the worker's log.
        metrics_window: Computations that the metrics look back on.
        allow_network: Whether apps may use the network.
        app_network: Which hosts they may reach without it, where their orders ask for them.
        allow_private: Whether private addresses, and plain http, are allowed wherever a stranger
            names the place: data, images, results.
        allowed_hosts: Where they are allowed by name: ``host`` or ``host:port``.
        allowed_registries: Of images, the only ones; empty: any that the addresses allow.
        folders: Below which ``file:`` data may be read; none by default.
        ipfs_gateways: Tried in order for ``/ipfs/…``.
        docker: Engine to use; None: the usual socket or ``DOCKER_HOST``.
        cluster: Where apps run instead; None: on that engine.
        registries: Logins of image registries; they win over Docker's own.
        docker_config: The file in which ``docker login`` keeps its logins.
        claim_grace: How long the pool may leave a task unclaimed after its final deadline before
            this worker claims it for its stake; None: it never does.
        status_port: Of the local status page, on loopback; 0 chooses one.
        locks: Folder of this machine's wallet locks.
        most_deposit: RLC that a running worker turns into stake in all, at most (nRLC).
        payout_address: Of whom earnings are paid out to; None: they stay stake.
        live: What may be changed while it runs, as it is started with.
        engine_cpus: Processors that tasks can be given; None: nobody knows, of another computer's.
        upgrade_from: Who signs the versions that it installs by itself; None: nobody.
        is_trial: Whether it only comes up: a new version that is tried.
        vm_kernel: Folder of the kernel for virtual machines; None: this computer's own.
    """

    chain: ChainSettings
    pool: Address
    pool_url: str
    name: str
    base: Path
    wallet: Path | None
    signer: Path | None
    password: str = field(repr=False)
    cpus: int
    are_usual_slots: bool
    gpus: tuple[str, ...]
    tee: tuple[TeeFramework, ...]
    simulated_tee: Path | None
    memory: int
    tmp: int
    output: int
    work: int
    disk: str
    pids: int
    sandbox: str
    input_bytes: int
    all_input_bytes: int
    least_pull_timeout: Seconds
    pull_timeout: Seconds
    developer_logger: bool
    metrics_window: int
    download_timeout: Seconds
    allow_network: bool
    app_network: AppNetworkSettings
    allow_private: bool
    allowed_hosts: tuple[str, ...]
    allowed_registries: tuple[str, ...]
    folders: tuple[Path, ...]
    ipfs_gateways: tuple[str, ...]
    docker: str | None
    cluster: ClusterSettings | None
    registries: tuple[RegistryLogin, ...]
    docker_config: Path
    claim_grace: Seconds | None
    status_port: int
    locks: Path
    most_deposit: NanoRlc
    payout_address: Address | None
    live: Settings
    engine_cpus: int | None
    upgrade_from: Address | None
    is_trial: bool
    vm_kernel: Path | None = None


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("letters, digits, '_', '.', '-' only, at most 40")
    return text


def _count(text: str) -> int:
    return whole(1)(text) if text else 0


def _duration(text: str) -> Seconds:
    """Read ISO 8601 (``PT30M``, as iExec's worker has it) or seconds."""
    found = _DURATION.fullmatch(text.strip().upper())
    if found and any(found.groups()):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return Seconds(hours * 3600 + minutes * 60 + seconds)
    return Seconds(whole(1)(text))


def _size_or_none(text: str) -> int:
    return 0 if text.strip() == "0" else size(text)


def _disk(text: str) -> str:
    word = text.strip().lower()
    if word not in DISKS:
        raise ValueError(f"it must be one of {', '.join(DISKS)}")
    return word


def _grace(text: str) -> Seconds | None:
    """Read a duration, or ``never``."""
    return None if text.strip().lower() == "never" else _duration(text)


def _no_sgx(text: str) -> str:
    if text.strip().upper() != "NONE":
        raise ValueError("leave it at NONE: --tee (POOLHAND_TEE) names this worker's enclaves")
    return "NONE"


SIGNER_SOCKET: Final = Option(
    "signer", "POOLHAND_SIGNER", str, "",
    "Unix socket of a signer that runs apart, in another container or as another user, and has the "
    "wallet; empty: the worker starts its own",
)  # fmt: skip
TEE_VARIABLES: Final = (
    "IEXEC_WORKER_TEE_COMPUTE_MAX_HEAP_SIZE_GB",
    "IEXEC_WORKER_DOCKER_NETWORK_NAME",
    "IEXEC_SCONE_SHOW_VERSION",
    "IEXEC_SCONE_LOG_LEVEL",
    "IEXEC_WORKER_SCONTAIN_REGISTRY_NAME",
    "IEXEC_WORKER_SCONTAIN_REGISTRY_USERNAME",
    "IEXEC_WORKER_SCONTAIN_REGISTRY_PASSWORD",
    "IEXEC_LAS_PORT",
)
"""Names of iExec's worker that matter to TEE tasks alone: known, told, and without effect here."""


def without_effect(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that the operator has set and this version does nothing with."""
    return tuple(name for name in TEE_VARIABLES if environ.get(name))


WORKER_OPTIONS: Final[tuple[Option, ...]] = (
    Option("core-url", "IEXEC_CORE_URL", web_url, "http://127.0.0.1:13000", "URL of the pool"),
    Option("pool-address", "POOL_ADDRESS", address, None, "address of the workerpool contract"),
    Option("name", "IEXEC_WORKER_NAME", _name, "worker",
           "name of this worker, part of folder and container names"),
    Option("base-dir", "IEXEC_WORKER_BASE_DIR", Path, "~/.poolhand/workers",
           "folder of journal and task files; it must survive a restart"),
    *wallet_options("of the worker", "IEXEC_WORKER_WALLET_PATH", "IEXEC_WORKER_WALLET_PASSWORD"),
    SIGNER_SOCKET,
    Option("cpus", "IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT", _count, "",
           "tasks computed at once, a CPU each; empty: all CPUs but one"),
    Option("oversubscribe", "POOLHAND_OVERSUBSCRIBE", flag, "false",
           "let there be more tasks at once than CPUs: they share them, and may run out of time"),
    *GPU_OPTIONS,
    *WORKER_TEE_OPTIONS,
    Option("memory", "POOLHAND_TASK_MEMORY", size, "1g", "memory of one task"),
    Option("tmp", "POOLHAND_TASK_TMP", size, "256m", "size of a task's /tmp"),
    Option("output", "POOLHAND_TASK_OUTPUT", size, "1g", "largest result of a task"),
    Option("work", "POOLHAND_TASK_WORK", _size_or_none, "1g",
           "size of the folder in which a task's app starts, with what its image has there (half "
           "of it at most); 0: all of the image is read-only"),
    Option("disk", "POOLHAND_TASK_DISK", _disk, "auto",
           "what keeps a task within these sizes: loop (a file system in a file, as root), tmpfs "
           "(in memory, as root), watch (measured now and then), auto: the first that works"),
    Option("pids", "POOLHAND_TASK_PIDS", whole(16), "256", "processes of one task"),
    *SANDBOX_OPTIONS,
    Option("input", "POOLHAND_TASK_INPUT", size, "2g", "largest dataset or input file"),
    Option("all-input", "POOLHAND_TASK_ALL_INPUT", size, "4g",
           "dataset and input files of one task together"),
    Option("least-pull-timeout", "IEXEC_WORKER_DOCKER_IMAGE_MIN_PULL_TIMEOUT", _duration, "PT5M",
           "least time for the pull of an image (ISO 8601 or seconds)"),
    Option("pull-timeout", "IEXEC_WORKER_DOCKER_IMAGE_MAX_PULL_TIMEOUT", _duration, "PT30M",
           "longest pull of an image (ISO 8601 or seconds)"),
    Option("download-timeout", "POOLHAND_DOWNLOAD_TIMEOUT", _duration, "PT10M",
           "longest download of a file (ISO 8601 or seconds)"),
    Option("claim-grace", "POOLHAND_CLAIM_GRACE", _grace, "PT5M",
           "time after a task's final deadline before the worker claims it itself, if its stake "
           "is locked there; never: leave that to the pool"),
    Option("developer-logger", "IEXEC_DEVELOPER_LOGGER_ENABLED", flag, "false",
           "write what apps print into the worker's log"),
    Option("metrics-window", "IEXEC_WORKER_METRICS_WINDOW_SIZE", whole(1), "1000",
           "computations that the metrics look back on"),
    Option("sgx-driver-mode", "IEXEC_WORKER_SGX_DRIVER_MODE", _no_sgx, "NONE",
           "iExec's name for SGX's driver, which is NONE here: --tee says what this worker has"),
    Option("allow-network", "POOLHAND_ALLOW_NETWORK", flag, "false",
           "let apps use the network"),
    *APP_NETWORK_OPTIONS,
    Option("allow-private", "POOLHAND_ALLOW_PRIVATE", flag, "false",
           "go to private addresses, and by plain http, wherever data, images and results are"),
    Option("allowed-hosts", "POOLHAND_ALLOWED_HOSTS", words, "",
           "places where that is allowed by name: host or host:port, separated by commas"),
    Option("allowed-registries", "POOLHAND_ALLOWED_REGISTRIES", words, "",
           "the only image registries: docker.io,ghcr.io,host:port; empty: every public one"),
    Option("folders", "POOLHAND_DATA_FOLDERS", words, "",
           "folders below which file: data may be read, separated by commas"),
    Option("ipfs-gateways", "POOLHAND_IPFS_GATEWAYS", words,
           "https://ipfs-gateway.v8-bellecour.iex.ec,https://gateway.ipfs.io",
           "gateways for /ipfs/ data, separated by commas"),
    *CLUSTER_OPTIONS,
    Option("docker", "DOCKER_HOST", str, "", "Docker engine; empty: the usual socket"),
    DOCKER_CONFIG_OPTION,
    Option("status-port", "IEXEC_WORKER_PORT", whole(0, 65_535), "13100",
           "port of the local status page; 0: any free one"),
    Option("most-deposit", "POOLHAND_MOST_DEPOSIT", parse_rlc, "1000",
           "RLC that the worker turns into stake while it runs, in all, at most"),
    PAYOUT_ADDRESS,
    *LIVE_OPTIONS,
    Option("upgrade-from", "POOLHAND_UPGRADE_FROM", address_or_none, "",
           "address of the pool's owner, whose signed newer versions are to be installed between "
           "tasks without asking; empty: the worker only tells of them"),
    Option("trial", "POOLHAND_TRIAL", flag, "false",
           "come up, be let in by the pool, take no task, and end: as a newer version is tried"),
    LOCKS,
    *chain_options("IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS"),
)  # fmt: skip
"""Every setting of a worker."""
BY_KEY: Final[Mapping[str, Option]] = {option.key: option for option in WORKER_OPTIONS}


def worker_settings(
    found: Settings, environ: Mapping[str, str], machine_cpus: int
) -> WorkerSettings:
    """Return the typed settings.

    Args:
        found: Values of ``WORKER_OPTIONS``.
        environ: For the numbered registry credentials.
        machine_cpus: CPUs that this process may use.

    Raises:
        BadSetting: Fewer than 2 CPUs, more tasks at once than CPUs, or something that does not
            fit together.
    """
    processors = judge_cpus(machine_cpus)
    if processors.outcome is CheckOutcome.FAIL:
        raise BadSetting(processors.told)
    cluster = cluster_settings(found)
    slots = found["cpus"] or (0 if cluster else usual_slots(machine_cpus))
    if slots > machine_cpus and not (found["oversubscribe"] or cluster):
        raise BadSetting(
            f"cpus ({found.origin('cpus')}): {slots} tasks at once, and this computer has "
            f"{machine_cpus} CPUs: give at most {machine_cpus}, or leave it out for "
            f"{usual_slots(machine_cpus)} (--oversubscribe lets tasks share CPUs)"
        )
    is_here = cluster is None and urlsplit(found["docker"]).scheme in ("", "unix")
    engine_cpus = machine_cpus if is_here else None
    preferences_of(found, engine_cpus)
    name: str = found["name"]
    signer = _signer(found)
    return WorkerSettings(
        chain=chain_settings(found),
        pool=found["pool-address"],
        pool_url=found["core-url"],
        name=name,
        base=at_home(found["base-dir"]) / name,
        wallet=None if signer else wallet_path(found),
        signer=signer,
        password=found["wallet-password"],
        cpus=slots,
        are_usual_slots=not (found["cpus"] or cluster),
        gpus=worker_gpu_names(found, is_here=is_here),
        tee=found["tee"],
        simulated_tee=simulated_tee_file(found),
        memory=found["memory"],
        tmp=found["tmp"],
        output=found["output"],
        work=found["work"],
        disk=found["disk"],
        pids=found["pids"],
        sandbox=sandbox_wanted(found),
        input_bytes=found["input"],
        all_input_bytes=found["all-input"],
        least_pull_timeout=found["least-pull-timeout"],
        pull_timeout=found["pull-timeout"],
        developer_logger=found["developer-logger"],
        metrics_window=found["metrics-window"],
        download_timeout=found["download-timeout"],
        allow_network=found["allow-network"],
        app_network=app_network_of(found),
        allow_private=found["allow-private"],
        allowed_hosts=found["allowed-hosts"],
        allowed_registries=found["allowed-registries"],
        folders=tuple(at_home(each) for each in found["folders"]),
        ipfs_gateways=found["ipfs-gateways"],
        docker=found["docker"] or None,
        cluster=cluster,
        registries=registry_logins(environ),
        docker_config=at_home(found["docker-config"]) / DOCKER_CONFIG,
        claim_grace=found["claim-grace"],
        status_port=found["status-port"],
        locks=found["locks"],
        most_deposit=found["most-deposit"],
        payout_address=payout_address(found),
        live=found.only(LIVE_BY_KEY),
        engine_cpus=engine_cpus,
        upgrade_from=found["upgrade-from"],
        is_trial=found["trial"],
        vm_kernel=vm_kernel(found),
    )


def _signer(found: Settings) -> Path | None:
    """Return the socket of a signer apart; raises BadSetting where the password is told here."""
    if not found["signer"]:
        return None
    for key in ("wallet-password", "password-file"):
        if found[key]:
            raise BadSetting(
                f"the wallet's password is told ({found.origin(key)}) to a worker whose signer "
                "runs apart: tell it to the signer, and take it away here"
            )
    return at_home(found["signer"])
