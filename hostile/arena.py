"""Where hostile images run: the product's own containers at one level, with a neighbour beside.

The neighbour is another task of the same worker: it must end right while the attack goes on, and
so must the next one after it; and nothing of the attack may be left.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

import psutil
from aiodocker import Docker

from hostile.attacks import LIMITS, Attack, Seen
from hostile.image import command, load
from poolhand.containers.disks import TaskDisks, choose, image_of
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.mounts import mounted_below, release
from poolhand.containers.vm.machines import MachinePlace
from poolhand.domain.computed import NoResult
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, Limits, Mount
from poolhand.worker.archive import pack

NEIGHBOUR_SECONDS = 120
EMULATION_SECONDS = 900
"""More for a run in a machine whose processor is emulated: until its app begins, and for that."""


@dataclass(frozen=True)
class Found:
    """How an attack went: whether it was contained, what was seen, whether all else went on."""

    contained: bool
    words: str
    seconds: float


@dataclass
class Use:
    """What a container used at most: processor time (s), and its log in the engine (bytes)."""

    cpu_seconds: float = 0.0
    log: int = 0


@asynccontextmanager
async def arena(url: str, level: str, disk: str = "auto") -> AsyncIterator[Arena]:
    """Open the engine at a level, with the image loaded; all is taken away at the end."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        disks = choose(disk, folder, url)
        machines = MachinePlace(folder / "vm", kernel_folder())
        async with (
            Docker(url) as docker,
            DockerRuntime.open(url, sandbox=level, disks=disks, machines=machines) as runtime,
        ):
            image = await load(docker, uuid4().hex[:12])
            made = Arena(docker, runtime, disks, image, folder)
            try:
                yield made
            finally:
                await runtime.sweep(made.label, lambda _name: False)
                release(folder)
                await docker.images.delete(image, force=True)


class Arena:
    """One level."""

    def __init__(
        self, docker: Docker, runtime: DockerRuntime, disks: TaskDisks, image: str, folder: Path
    ) -> None:
        self.docker, self.runtime, self.disks = docker, runtime, disks
        self._image, self._folder = image, folder
        is_emulated = runtime.sandbox is not None and runtime.sandbox.is_emulated
        self._more = EMULATION_SECONDS if is_emulated else 0
        self.label = f"poolhand.hostile={uuid4().hex}"
        self._secret = folder / "secret"
        self._token = uuid4().hex
        self._secret.write_text(self._token)
        self._secret.chmod(0o644)
        folder.chmod(0o755)

    async def strike(self, attack: Attack) -> Found:
        """Run an attack beside a neighbour; a fault of what is beside it is the attack's success."""
        began = time.monotonic()
        beside = asyncio.create_task(self.neighbour())
        seen = await self._run(attack)
        contained, words = attack.judge(seen)
        troubles = [each for each in (await beside, await self.neighbour(), self._left()) if each]
        troubles += await self._left_in_engine()
        if troubles:
            words = f"{words}; BUT {'; '.join(troubles)}"
        return Found(contained and not troubles, words, round(time.monotonic() - began, 1))

    async def neighbour(self) -> str:
        """Run an ordinary task; returns what was wrong with it, or nothing."""
        digest = b""
        for _ in range(200_000):
            digest = hashlib.sha256(digest).digest()
        outcome, folder = await self.program("neighbour", NEIGHBOUR_SECONDS)
        release(folder)
        told = last_line(outcome.stdout)
        return "" if told.get("digest") == digest.hex() else f"a neighbour ended with {outcome}"

    async def program(
        self,
        name: str,
        seconds: int,
        environment: Mapping[str, str] | None = None,
        limits: Limits = LIMITS,
        name_of_run: str = "",
    ) -> tuple[ContainerOutcome, Path]:
        """Run a program of the image; returns how it ended, and the folder of its result."""
        key, _, value = self.label.partition("=")
        unique = name_of_run or f"hostile-{uuid4().hex}"
        out = self._folder / unique
        out.mkdir()
        mount = Mount(str(out), "/iexec_out", writable=True)
        spec = ContainerSpec(
            unique, self._image, command(name), environment or {}, (mount,), limits,
            Seconds(seconds + self._more), labels={key: value},
        )  # fmt: skip
        return await self.runtime.run(spec), out

    async def _run(self, attack: Attack) -> Seen:
        name = f"hostile-{uuid4().hex}"
        with Listener() as listener, DiskCost(self._folder / name) as disk:
            given = {
                "HOSTILE_SECRET": str(self._secret),
                "HOSTILE_PORT": str(listener.port),
                "HOSTILE_HOSTS": ",".join(addresses()),
                **attack.environment,
            }
            use = Use()
            watch = asyncio.create_task(self._watch(name, use))
            outcome, out = await self.program(attack.name, attack.seconds, given, name_of_run=name)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        seen = Seen(
            outcome, last_line(outcome.stdout), _kept(out), disk.most, use.log, use.cpu_seconds,
            listener.calls,
            self._leaks(out),
        )  # fmt: skip
        release(out)
        return seen

    async def _watch(self, name: str, use: Use) -> None:
        """Note again and again what a container uses, until cancelled."""
        root = Path((await self.docker.system.info())["DockerRootDir"])
        while True:
            await asyncio.sleep(0.2)
            found = await self.runtime.usage(name)
            if found is None:
                continue
            use.cpu_seconds = max(use.cpu_seconds, found.cpu_seconds)
            container = (await self.docker.containers.container(name).show())["Id"]
            files = (root / "containers" / container).rglob("*.log*")
            use.log = max(use.log, sum(each.stat().st_size for each in files))

    def _leaks(self, out: Path) -> bool:
        """Pack the result, as the worker does, and tell whether the secret is in it."""
        archive = self._folder / "packed.zip"
        with contextlib.suppress(NoResult, OSError):
            pack(out, archive)
            return self._token.encode() in archive.read_bytes()
        return False

    def _left(self) -> str:
        mounts = mounted_below(self._folder)
        return f"mounts are left: {mounts}" if mounts else ""

    async def _left_in_engine(self) -> list[str]:
        left = await self.runtime.orphans(self.label)
        return [f"containers are left: {left}"] if left else []


def last_line(printed: bytes) -> Mapping[str, object]:
    """Read what a program said last; nothing, if that is no object."""
    for line in reversed(printed.splitlines()):
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            return told if isinstance(told, dict) else {}
    return {}


def _kept(out: Path) -> int:
    try:
        return int((out / "kept").read_text())
    except (OSError, ValueError):
        return 0


def addresses() -> list[str]:
    """Return the addresses of this machine, its engine's bridges among them."""
    told = [each for many in psutil.net_if_addrs().values() for each in many]
    return sorted({each.address for each in told if each.family is socket.AF_INET} - {"127.0.0.1"})


class DiskCost:
    """Watches what a task's disk takes of this machine's at most (bytes); ``most``.

    The file behind it, where there is one; else what the file system of its folder has in use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._over = folder, threading.Event()
        self.most = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self.most = max(self.most, self._now())
            if self._over.wait(0.05):
                return

    def _now(self) -> int:
        image = image_of(self._folder)
        if image.exists():
            return image.stat().st_blocks * 512
        if not self._folder.is_mount():
            return sum(each.stat().st_blocks * 512 for each in self._folder.iterdir())
        used = os.statvfs(self._folder)
        return (used.f_blocks - used.f_bfree) * used.f_frsize


class Listener:
    """A service of this machine on all its addresses, which counts who calls it; ``calls``."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("0.0.0.0", 0))
        self.port, self.calls = self._socket.getsockname()[1], 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._socket.accept()[0].close()
                self.calls += 1


def kernel_folder() -> Path | None:
    """Return the folder of the kernel for virtual machines; None: this computer's own."""
    named = os.environ.get("POOLHAND_VM_KERNEL")
    return Path(named) if named else None


def engine_url() -> str:
    """Return the engine that this run is given."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
