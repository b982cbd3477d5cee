"""What runc is told about one container: the sandbox of ``containers.sandbox``, in OCI's words.

Source: OCI runtime specification 1.0.2; what Docker 20.10 hands to runc for the same options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.sandbox import (
    MOST_VOLUMES,
    OOM_SCORE,
    OPEN_FILES,
    SANDBOX_USER,
    SHARED_MEMORY,
    TMP_FILES,
    SandboxTerms,
)
from poolhand.containers.seccomp import profile
from poolhand.containers.slurm.layers import Scope
from poolhand.containers.working_folder import START_FOLDER, Start
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerSpec, Mount

USUAL_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_INSIDE: Final = "/dev/init"
"""Where it lies inside: in a file system of the container's own, so that no image need have it."""
_CPU_QUOTA_PERIOD: Final = 100_000
MASKED_INSIDE: Final = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
)  # fmt: skip
"""What of its system files a container does not see."""
_MOST_DIGITS: Final = 10
_LONGEST_USER_LIST: Final = 1024**2
"""Bytes read of an image's list of users."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom a container runs as."""

    uid: int
    gid: int
    more: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What a container stands on.

    Attributes:
        root: The files of its image.
        init: A program without libraries that starts the app, reaps its orphans and passes signals
            on.
        worker: Whom this process and its jobs run as. Any but root has a user namespace around
            the container, in which it is uid 0 without any capability.
    """

    root: Path
    init: Path
    worker: User


def bundle_config(
    spec: ContainerSpec, image: dict[str, Any], terms: SandboxTerms, ground: Ground
) -> dict[str, Any]:
    """Return ``config.json`` for runc.

    Args:
        spec: What to run.
        image: As the engine of Docker tells of images: its ``Config`` is read.
        terms: Of this image.
        ground: What it stands on.

    Raises:
        ContainerRefused: The image asks for what cannot be given.
    """
    root, worker = ground.root, ground.worker
    user = User(0, 0) if worker.uid else user_of(spec, terms, image, root)
    config = image.get("Config") or {}
    start = terms.start if spec.workplace else None
    is_moved = start is not None and start.target == START_FOLDER
    limits = spec.limits
    process: dict[str, Any] = {
        "terminal": False,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.more)},
        "args": [INIT_INSIDE, "--", *words_inside(spec, config)],
        "env": environment_inside(spec, config, terms),
        "cwd": START_FOLDER if is_moved else Start.of(image).folder,
        "capabilities": {},
        "rlimits": [
            {"type": f"RLIMIT_{name}", "soft": most, "hard": most}
            for name, most in (
                ("NOFILE", OPEN_FILES),
                ("CORE", 0),
                ("FSIZE", max(limits.output, limits.tmp, limits.work) + 1),
            )
        ],
        "noNewPrivileges": True,
        "oomScoreAdj": OOM_SCORE,
    }
    if worker.uid:  # no control group of its own: the kernel counts by user namespace instead
        process["rlimits"].append(
            {"type": "RLIMIT_NPROC", "soft": limits.pids, "hard": limits.pids}
        )
    return {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": str(root), "readonly": True},
        "hostname": "task",
        "mounts": _mounts(spec, terms, ground),
        "linux": _linux(spec, worker),
    }


def words_inside(spec: ContainerSpec, config: dict[str, Any]) -> list[str]:
    """Return the words that start an app; ``config`` is its image's.

    Raises:
        ContainerRefused: There are none.
    """
    words = [*(config.get("Entrypoint") or ()), *(spec.command or config.get("Cmd") or ())]
    if not words or not words[0]:
        raise ContainerRefused(spec.name, "neither its image nor its order names a program")
    return words


def environment_inside(
    spec: ContainerSpec, config: dict[str, Any], terms: SandboxTerms
) -> list[str]:
    """Return an app's variables, each ``NAME=value``; ``config`` is its image's."""
    named = dict(each.partition("=")[::2] for each in config.get("Env") or ())
    own = dict(spec.environment)
    if terms.home is not None:
        own.setdefault("HOME", terms.home)
    return [f"{key}={value}" for key, value in {"PATH": USUAL_PATH, **named, **own}.items()]


def _linux(spec: ContainerSpec, worker: User) -> dict[str, Any]:
    limits = spec.limits
    kinds = ["pid", "network", "ipc", "uts", "mount", "cgroup"]
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in (*kinds, *(["user"] if worker.uid else []))],
        "seccomp": profile(),
        "maskedPaths": list(MASKED_INSIDE),
        "readonlyPaths": ["/proc"],
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
    }
    if worker.uid:
        mapped = {"containerID": 0, "size": 1}
        linux["uidMappings"] = [{**mapped, "hostID": worker.uid}]
        linux["gidMappings"] = [{**mapped, "hostID": worker.gid}]
        del linux["resources"]
    else:
        linux["resources"] |= {
            "memory": {"limit": limits.memory},
            "cpu": {"quota": int(limits.cpus * _CPU_QUOTA_PERIOD), "period": _CPU_QUOTA_PERIOD},
            "pids": {"limit": limits.pids},
        }
    return linux


def _mounts(spec: ContainerSpec, terms: SandboxTerms, ground: Ground) -> list[dict[str, Any]]:
    limits, binds = spec.limits, list(spec.mounts)
    start = terms.start if spec.workplace else None
    if start is not None and start.target is not None:
        binds.insert(0, Mount(spec.workplace, start.target, writable=True))
    taken = {mount.target for mount in binds}
    refuse_hiding_volumes(spec, terms, taken)
    shared = min(SHARED_MEMORY, limits.tmp)
    group = [] if ground.worker.uid else ["gid=5"]
    quiet = ["nosuid", "noexec", "nodev"]
    bounded = ["nosuid", "nodev", "mode=1777", f"size={limits.tmp}", f"nr_inodes={TMP_FILES}"]
    return [
        _of("proc", "/proc", "proc", quiet),
        _of("tmpfs", "/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _of(str(ground.init), INIT_INSIDE, "bind", ["bind", "rprivate", "nosuid", "nodev", "ro"]),
        _of("devpts", "/dev/pts", "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *group]),
        _of("sysfs", "/sys", "sysfs", [*quiet, "ro"]),
        _of("shm", "/dev/shm", "tmpfs", [*quiet, "mode=1777", f"size={shared}"]),  # noqa: S108
        _of("mqueue", "/dev/mqueue", "mqueue", quiet),
        *(
            _of("tmpfs", each, "tmpfs", bounded)
            for each in ("/tmp", *terms.volumes.in_memory)  # noqa: S108 - inside
            if each not in taken
        ),
        *(
            _of(mount.source, mount.target, "bind",
                ["rbind", "rprivate", "nosuid", "nodev", "rw" if mount.writable else "ro"])
            for mount in binds
        ),
    ]  # fmt: skip


def _of(source: str, target: str, kind: str, options: Sequence[str]) -> dict[str, Any]:
    return {"source": source, "destination": target, "type": kind, "options": list(options)}


def refuse_hiding_volumes(spec: ContainerSpec, terms: SandboxTerms, taken: set[str]) -> None:
    """Refuse an image with too many volumes, or with one where its program is.

    Raises:
        ContainerRefused: Its volumes cannot be given.
    """
    if len(terms.volumes) > MOST_VOLUMES:
        raise ContainerRefused(spec.name, f"its image asks for more than {MOST_VOLUMES} volumes")
    hiding = [each for each in terms.volumes.with_program if each not in taken]
    if hiding:
        why = f"its image asks for a volume at {shown(hiding[0], 100)}, where its program is"
        raise ContainerRefused(spec.name, why)


def user_of(spec: ContainerSpec, terms: SandboxTerms, image: dict[str, Any], root: Path) -> User:
    """Return the user of a container, looked up by name in the image's own lists.

    Raises:
        ContainerRefused: The image names one whom it does not have.
    """
    told = terms.user
    if told is None:
        told = (image.get("Config") or {}).get("User") or "0"
    name, _, group = told.partition(":")
    people = _table(root, "/etc/passwd", numbers=(2, 3))
    groups = _table(root, "/etc/group", numbers=(2,))
    entry = next((each for each in people if name in (each[0], each[2])), None)
    uid = int(entry[2]) if entry else _number(name)
    own = int(entry[3]) if entry else 0
    gid = own if not group else _number(group)
    if group and gid is None:
        gid = next((int(each[2]) for each in groups if each[0] == group), None)
    if uid is None or gid is None:
        raise ContainerRefused(spec.name, f"its image has no user {shown(told, 100)}")
    if uid == SANDBOX_USER or entry is None or group:
        return User(uid, gid)
    more = sorted(int(each[2]) for each in groups if entry[0] in each[-1].split(","))
    return User(uid, gid, tuple(more[:64]))


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        return None
    return int(text) if int(text) < 2**31 else None


def _table(root: Path, path: str, numbers: tuple[int, ...]) -> list[list[str]]:
    """Read a list of users or groups: lines of four words or more, some of them numbers."""
    place = Scope(root).file(path)
    if place is None:
        return []
    with place.open("rb") as file:
        text = file.read(_LONGEST_USER_LIST).decode(errors="replace")
    rows = (line.split(":") for line in text.splitlines())
    return [
        row
        for row in rows
        if len(row) >= 4 and all(_number(row[each]) is not None for each in numbers)
    ]
