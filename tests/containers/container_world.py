"""What a test needs of an engine, simulated or not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from aiodocker import Docker
from tiny_image import NAME

from poolhand.containers.engine import DEFAULT_URL
from poolhand.containers.errors import ContainerRefused
from poolhand.containers.noop import NoopRuntime, ended, folder_of
from poolhand.domain.errors import RuntimeDown
from poolhand.ports.runtime import ContainerSpec, Limits, Mount

ENGINE = os.environ.get("DOCKER_HOST") or DEFAULT_URL
"""The Docker engine that the suite is given."""
MIB = 1024**2
PATIENCE = 300.0
"""Seconds for what a test waits for: an emulated machine starts slowly beside other tests."""
LIMITS = Limits(memory=64 * MIB, cpus=1.0, pids=32, tmp=8 * MIB, log=10_000, output=4 * MIB)
DIGEST = "ab" * 32


@dataclass(frozen=True)
class Program:
    """One app, for a real container (``code``) and for the simulated one (``act``)."""

    code: str
    act: Callable[[ContainerSpec], object]


def _token(spec):
    (folder_of(spec, "/iexec_out") / "token").write_text(uuid4().hex)
    return ended()


def _chatty(spec):
    (folder_of(spec, "/iexec_out") / "token").write_text("x")
    return ended(stdout=b"one\ntwo\n", stderr=b"oh\n")


PROGRAMS = {
    "hello": Program(
        "import sys; print('hello'); print('oh', file=sys.stderr); sys.exit(3)",
        lambda _: ended(3, stdout=b"hello\n", stderr=b"oh\n"),
    ),
    "chatty": Program(
        "import os, sys, time\n"
        "print('one', flush=True); print('two', flush=True)\n"
        "print('oh', file=sys.stderr, flush=True)\n"
        "open('/iexec_out/token','w').write('x')\n"
        "while not os.path.exists('/iexec_in/go'): time.sleep(0.01)",
        _chatty,
    ),
    "token": Program(
        "import os, time, uuid; open('/iexec_out/new','w').write(uuid.uuid4().hex)\n"
        "os.rename('/iexec_out/new', '/iexec_out/token')\n"
        "while not os.path.exists('/iexec_in/go'): time.sleep(0.01)",
        _token,
    ),
}


FORKS = """
import os, time
count = 0
try:
    while count < 200:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except OSError as fault:
    print(type(fault).__name__, count)
"""
"""Makes processes until it may not; prints what it was told, and how many there were."""


async def until(condition, seconds=PATIENCE):
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a file of another process sets no Event
            await asyncio.sleep(0.005)


async def believed(runtime, spec):
    """Run until the engine's refusal is believed; returns how often it was not, and the refusal."""
    for doubted in range(10):
        try:
            await runtime.run(spec)
        except RuntimeDown:
            continue
        except ContainerRefused as refusal:
            return doubted, str(refusal)
    raise AssertionError("never believed")


class World:
    """Folders and specs."""

    image: str
    seconds = 60
    """How long an app may run, where a test does not say."""
    has_two_streams = True
    """Whether what an app prints on standard error is told apart."""

    def __init__(self, folder: Path) -> None:
        self.input, self.output = folder / "in", folder / "out"
        self.input.mkdir()
        self.output.mkdir()
        self.name = f"poolhand-test-{uuid4().hex}"
        self.labels = {"poolhand.worker": uuid4().hex}

    def spec(
        self, *command, image=None, timeout=None, limits=LIMITS, network=False, environment=None
    ):
        mounts = (
            Mount(str(self.input), "/iexec_in", writable=False),
            Mount(str(self.output), "/iexec_out", writable=True),
        )
        image = image or self.image
        seconds = self.seconds if timeout is None else timeout
        return ContainerSpec(self.name, image, command, environment or {}, mounts, limits, seconds,
                             network, self.labels)  # fmt: skip

    def program(self, name, **changes):
        return self.spec("python3", "-c", PROGRAMS[name].code, **changes)

    def token(self):
        path = self.output / "token"
        return path.read_text() if path.exists() else None


class DockerWorld(World):
    """Docker, with the tiny image."""

    image = f"{NAME}:plain"

    def __init__(self, runtime, label: str, folder: Path, disks) -> None:
        super().__init__(folder)
        self.runtime, self.disks = runtime, disks
        key, _, value = label.partition("=")
        self.labels |= {key: value}

    def hold(self):
        (self.input / "go").unlink(missing_ok=True)

    def release(self):
        (self.input / "go").touch()

    async def cpus(self):
        """Return how many processors the running program may use, as the engine has it."""
        async with Docker(ENGINE) as docker:
            found = await docker.containers.container(self.name).show()
        return found["HostConfig"]["NanoCpus"] / 10**9

    async def python(self, code, **changes):
        return await self.runtime.run(self.spec("python3", "-c", code, **changes))


class NoopWorld(World):
    """The simulated engine, with the same programs."""

    image = f"docker.io/{NAME}@sha256:{DIGEST}"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        acts = {program.code: program.act for program in PROGRAMS.values()}
        self.runtime = NoopRuntime({NAME: lambda spec: acts[spec.command[-1]](spec)})
        self.runtime.pulled.append(self.image)

    def hold(self):
        self.runtime.gate.clear()

    def release(self):
        self.runtime.gate.set()

    async def cpus(self):
        return self.runtime.cpus[self.name]


def shrink(**changes):
    """Return the usual limits, changed."""
    return replace(LIMITS, **changes)
