"""The sandbox: memory, network, user and files of one container, as the engine is told of them.

Pure but for this machine's limits.

Source: spec/peers.md §4.3; options verified on Docker 20.10 in spec/systems-lab.md §1.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Any, Final, Self

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.gpus import HIDDEN, LIBRARY_PATH, NO_GPU, GpuTerms
from poolhand.containers.seccomp import PROFILE
from poolhand.containers.working_folder import START_FOLDER, Start
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerSpec, Mount

SANDBOX_USER: Final = 65534
OPEN_FILES: Final = 16_384
MOST_VOLUMES: Final = 32
"""Volumes of one image: each is a mount, and thousands of them hold an engine up."""
SHARED_MEMORY: Final = 64 * 1024**2
TMP_FILES: Final = 100_000
RESULT_FILES: Final = 32_768
"""Files and folders that a result has room for, three times what it may hold."""
LEAST_LOG: Final = 64 * 1024
"""Bytes of the engine's log file; less would be rotated away while it is written."""
OOM_SCORE: Final = 500
"""How much rather the kernel ends an app than the programs of this machine, of 1,000."""
SELINUX: Final = Path("/sys/fs/selinux/enforce")
ENGINES_CHOICE: Final = Sandbox(SandboxLevel.RUNC)
"""What an engine runs containers by where nobody asks for anything else."""
_ENGINES_OWN: Final = (
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
)  # fmt: skip
_ROOT: Final = frozenset({"root", "0"})


@dataclass(frozen=True, slots=True)
class ImageUser:
    """Whom an image wants to be run as; ``folder`` is its working directory.

    ``has_home`` tells that the image names a HOME of its own.
    """

    name: str
    folder: str
    has_home: bool = False

    @classmethod
    def of(cls, image: dict[str, Any]) -> Self:
        """Read the answer of the engine's ``GET /images/{name}/json``."""
        config = image.get("Config") or {}
        variables = config.get("Env") or ()
        has_home = any(each.startswith("HOME=") for each in variables)
        return cls(config.get("User") or "", config.get("WorkingDir") or "", has_home)

    @property
    def wants_root(self) -> bool:
        """Whether the image says that it needs uid 0: by ``USER root``, or by living in /root."""
        return self.name.partition(":")[0] in _ROOT or (not self.name and self._in_home)

    @property
    def _in_home(self) -> bool:
        return self.folder == "/root" or self.folder.startswith("/root/")

    def home_for(self, user: str | None) -> str | None:
        """Choose the HOME of a container; None leaves it to the image.

        Programs keep caches there and give up where they cannot: so it is ``/tmp``, but for an
        image that keeps its user and names a HOME, or lives in root's.

        Args:
            user: From ``user_for``.
        """
        keeps = user is None and (self.has_home or self._in_home)
        return None if keeps else "/tmp"  # noqa: S108 - inside, a file system of its own


@dataclass(frozen=True, slots=True)
class ImageVolumes:
    """The folders for which an image asks a volume, as the engine writes them.

    An engine would take folders of its own disk for them, writable and without a limit. Instead
    those ``in_memory`` are empty and bounded, as ``/tmp`` is; ``with_program`` are those that would
    hide what the image starts, or where.
    """

    in_memory: tuple[str, ...] = ()
    with_program: tuple[str, ...] = ()

    @classmethod
    def of(cls, image: dict[str, Any]) -> Self:
        """Read the answer of the engine's ``GET /images/{name}/json``."""
        start = Start.of(image)
        places = (start.folder, *start.words[:1])
        named = (image.get("Config") or {}).get("Volumes") or ()
        volumes = sorted({_cleaned(each) for each in named})
        held = {v for v in volumes if any(f"{each}/".startswith(f"{v}/") for each in places)}
        return cls(tuple(v for v in volumes if v not in held), tuple(sorted(held)))

    def __len__(self) -> int:
        return len(self.in_memory) + len(self.with_program)


def _cleaned(path: str) -> str:
    """Write a path as the engine does: POSIX alone keeps two slashes at the beginning."""
    clean = normpath(path)
    return f"/{clean.lstrip('/')}" if clean.startswith("/") else clean


@dataclass(frozen=True, slots=True)
class SandboxTerms:
    """What depends on image and worker: user and HOME (None: the image's own).

    ``start`` is where its program starts, if it gets a writable copy of that folder;
    ``library_path`` is where its programs look for libraries besides the usual folders;
    ``entrypoint`` and ``usual`` are the words that it starts, and those behind them.
    """

    user: str | None
    home: str | None
    start: Start | None = None
    volumes: ImageVolumes = ImageVolumes()
    library_path: str = ""
    entrypoint: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()

    @classmethod
    def of(cls, image: dict[str, Any], worker: int) -> Self:
        """Read the engine's ``GET /images/{name}/json``; ``worker``: uid of this process."""
        wanted, start = ImageUser.of(image), Start.of(image)
        user = user_for(wanted, worker)
        home = wanted.home_for(user)
        folder = None if start.target is None else start
        library_path, told = _variable(image, LIBRARY_PATH), image.get("Config") or {}
        words = tuple(told.get("Entrypoint") or ()), tuple(told.get("Cmd") or ())
        return cls(user, home, folder, ImageVolumes.of(image), library_path, *words)


def _variable(image: dict[str, Any], name: str) -> str:
    """Return what an image sets a variable to; empty: it does not."""
    told = dict(each.partition("=")[::2] for each in (image.get("Config") or {}).get("Env") or ())
    return str(told.get(name, ""))


def user_for(image: ImageUser, worker: int) -> str | None:
    """Choose the user of a container; None leaves it to the image.

    Most iExec apps are built ``FROM python`` or ``FROM node`` with no USER, and would run as root.
    They need nothing of root: they read world-readable code and write ``/iexec_out``, which the
    runtime makes writable for everybody (below a folder that is not). So:

    - an image with a USER of its own that is not root keeps it;
    - an image that asks for root (``USER root``, or a working directory in /root, which is closed
      to others) gets uid 0, yet without a single capability: it may not even pass over file
      permissions, which is why ``/iexec_out`` is open to all;
    - every other image runs as nobody: a hole in the kernel or in runc then yields nothing.

    A worker that is not root itself gives its own uid to all: it could otherwise neither read nor
    remove what apps leave behind.

    Args:
        image: Of the image's configuration.
        worker: Uid of this process.
    """
    if worker:
        return f"{worker}:{os.getgid()}"
    if image.wants_root or image.name:
        return None
    return f"{SANDBOX_USER}:{SANDBOX_USER}"


def container_config(
    spec: ContainerSpec,
    terms: SandboxTerms,
    seccomp: str = PROFILE,
    sandbox: Sandbox = ENGINES_CHOICE,
    gpu: GpuTerms = NO_GPU,
) -> dict[str, Any]:
    """Return the body of ``POST /containers/create``.

    Args:
        spec: What to run.
        terms: Of its image.
        seccomp: Profile (JSON text). Never the engine's own: before 25 it allows io_uring.
        sandbox: By which runtime, and what that takes besides the app.
        gpu: What it is given of a GPU.

    Raises:
        ContainerRefused: The image asks for volumes that cannot be given.
    """
    environment = {**spec.environment, **HIDDEN, **gpu.environment(terms.library_path)}
    if terms.home is not None:
        environment.setdefault("HOME", terms.home)
    start = terms.start if spec.workplace else None
    config: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "Labels": dict(spec.labels),
        "HostConfig": _host_config(spec, seccomp, start, terms.volumes, gpu)
        | _apart(spec, sandbox),
        "NetworkDisabled": not spec.network,
    }
    if spec.launcher:
        config["Entrypoint"] = list(spec.launcher)
        config["Cmd"] = [*terms.entrypoint, *(spec.command or terms.usual)]
    elif spec.command:
        config["Cmd"] = list(spec.command)
    if terms.user is not None:
        config["User"] = terms.user
    if start is not None and start.target == START_FOLDER:
        config["WorkingDir"] = START_FOLDER
    return config


def _host_config(
    spec: ContainerSpec,
    seccomp: str,
    start: Start | None,
    volumes: ImageVolumes,
    gpu: GpuTerms,
) -> dict[str, Any]:
    limits, mounts = spec.limits, [*spec.mounts, *gpu.libraries]
    if start is not None and start.target is not None:
        mounts.insert(0, Mount(spec.workplace, start.target, writable=True))
    options = f"rw,exec,nosuid,nodev,mode=1777,size={limits.tmp},nr_inodes={TMP_FILES}"
    taken = {mount.target for mount in mounts}
    _check_volumes(spec, volumes, taken)
    return {
        "NetworkMode": "bridge" if spec.network else "none",
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp}"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "Tmpfs": {each: options for each in ("/tmp", *volumes.in_memory) if each not in taken},  # noqa: S108
        "Mounts": [_mount(mount) for mount in mounts],
        "NanoCpus": int(limits.cpus * 10**9),
        "ShmSize": min(SHARED_MEMORY, limits.tmp),
        "Ulimits": _ulimits(max(limits.output, limits.tmp, limits.work)),
        "OomScoreAdj": OOM_SCORE,
        "ReadonlyPaths": _read_only_paths(),
        "Init": True,
        "IpcMode": "private",
        "LogConfig": {
            "Type": "local",  # keeps every byte; json-file replaces what is no UTF-8
            "Config": {
                "max-size": str(_log_file(limits.log)),
                "max-file": "2",
                "compress": "false",
            },
        },
        **gpu.host,
    }


def _apart(spec: ContainerSpec, sandbox: Sandbox) -> dict[str, Any]:
    """Return by which runtime a container runs, and the limits to which that adds its own use."""
    limits, takes = spec.limits, sandbox.overhead
    memory = limits.memory + takes.memory
    config: dict[str, Any] = {
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": limits.pids * takes.pids + takes.threads,
    }
    if sandbox.runtime:
        config["Runtime"] = sandbox.runtime
    return config


def _check_volumes(spec: ContainerSpec, volumes: ImageVolumes, taken: Container[str]) -> None:
    if len(volumes) > MOST_VOLUMES:
        raise ContainerRefused(spec.name, f"its image asks for more than {MOST_VOLUMES} volumes")
    hiding = [each for each in volumes.with_program if each not in taken]
    if hiding:
        why = f"its image asks for a volume at {shown(hiding[0], 100)}, where its program is"
        raise ContainerRefused(spec.name, why)


def _read_only_paths(selinux: Path = SELINUX) -> list[str]:
    """Return what of the container's own system files can be read only.

    All of ``/proc``: an engine that lacks CAP_SYS_RESOURCE cannot bind ``oom_score_adj`` to its
    first value, and an app would lower it to be ended last of all. Where SELinux is on, the engine
    itself must write there to label the app's process; then it is what engines choose themselves.
    """
    return list(_ENGINES_OWN) if selinux.exists() else ["/proc"]


def _mount(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": not mount.writable,
        "BindOptions": {"Propagation": "rprivate"},
    }


def _log_file(tail: int) -> int:
    """Return the size of one log file: two of them hold the tails of both streams."""
    return max(2 * tail, LEAST_LOG)


def _ulimits(largest: int) -> list[dict[str, Any]]:
    """Return limits no higher than ours: the engine may lack the right to raise them.

    One file may outgrow the output by a byte, whereby ``exceeds`` sees that it was cut.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    wanted = {"nofile": files, "core": 0, "fsize": largest + 1}
    return [{"Name": name, "Soft": most, "Hard": most} for name, most in wanted.items()]
