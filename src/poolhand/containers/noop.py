"""A *simulated* container engine: no isolation, no image, no container; apps are functions.

It keeps the promises of ``ContainerRuntime`` that callers build on: pulls by digest, one
computation per name however often ``run`` is called, containers that outlive a cancelled ``run``,
writable folders emptied at the start of a computation. A test or simulation scripts the rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import structlog

from poolhand.containers.errors import (
    ContainerRefused,
    ContainerRemoved,
    ImageNotFound,
    check_owner,
)
from poolhand.containers.folders import empty
from poolhand.containers.image_name import ImageName
from poolhand.containers.live import LineSplitter
from poolhand.domain.errors import PoolhandError, RuntimeDown
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import (
    GPU_LABEL,
    ContainerOutcome,
    ContainerSpec,
    ContainerUse,
    LogLine,
)

NoopApp: TypeAlias = Callable[[ContainerSpec], ContainerOutcome]
"""What an image does; it may read and write the folders that the spec mounts."""

log = structlog.get_logger()


def ended(
    exit_code: int = 0,
    *,
    stdout: bytes = b"",
    stderr: bytes = b"",
    timed_out: bool = False,
    out_of_memory: bool = False,
    output_too_large: bool = False,
) -> ContainerOutcome:
    """Return an outcome with what matters said and the rest uneventful."""
    return ContainerOutcome(
        exit_code=exit_code,
        timed_out=timed_out,
        out_of_memory=out_of_memory,
        output_too_large=output_too_large,
        stdout=stdout,
        stderr=stderr,
        seconds=0.0,
    )


def folder_of(spec: ContainerSpec, target: str) -> Path:
    """Return the host folder that an app sees as ``target``; KeyError when there is none."""
    return Path({mount.target: mount.source for mount in spec.mounts}[target])


class NoopRuntime:
    """The simulated engine; keep it while the worker on it is restarted, as a real one would stay.

    Attributes:
        apps: What each image does, by name without tag.
        faults: Raised when an image is pulled or run, by name; take it out to heal.
        is_down: Whether every call raises RuntimeDown.
        gate: Computations end only while it is set; cleared by a test that holds them.
        coming: Bytes of images whose pulls go on, by reference: what a test says.
        pulled: References in the order they were pulled; what is present is not pulled again.
        computations: How often each container name was computed.
        cpus: What running containers were given after their start, by name.
    """

    def __init__(self, apps: Mapping[str, NoopApp]) -> None:
        self.apps = {str(ImageName.parse(image)): app for image, app in apps.items()}
        self.faults: dict[str, PoolhandError] = {}
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.coming: dict[str, int] = {}
        self.pulled: list[str] = []
        self.computations: Counter[str] = Counter()
        self.cpus: dict[str, float] = {}
        self._containers: dict[str, asyncio.Task[ContainerOutcome]] = {}
        self._printed: dict[str, list[LogLine]] = {}
        self._more = asyncio.Event()
        self._labels: dict[str, Mapping[str, str]] = {}
        log.warning("simulated_container_engine_made", isolation="none", images=len(self.apps))

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:  # noqa: ARG002
        """Make an image present; see ``ContainerRuntime.pull``."""
        name = ImageName.parse(image)
        reference = name.at(digest)
        self._check(str(name))
        if str(name) not in self.apps:
            raise ImageNotFound(reference, "no such image is simulated")
        if reference not in self.pulled:
            self.pulled.append(reference)
        return reference

    def pulling(self, reference: str) -> int | None:
        """Tell what ``coming`` has; see ``ContainerRuntime.pulling``."""
        return self.coming.get(reference)

    async def run(self, spec: ContainerSpec) -> ContainerOutcome:
        """Run to the end and remove the container; see ``ContainerRuntime.run``."""
        name = spec.image.partition("@")[0]
        self._check(name)
        if spec.image not in self.pulled:
            raise ContainerRefused(spec.name, f"image {spec.image} is not present")
        if spec.name in self._containers:
            check_owner(spec, self._labels[spec.name])
        else:
            self._labels[spec.name] = spec.labels
            self._containers[spec.name] = asyncio.create_task(self._compute(spec, self.apps[name]))
        container = self._containers[spec.name]
        await asyncio.wait([container])
        if container.cancelled():
            raise ContainerRemoved(spec.name)
        self._containers.pop(spec.name, None)
        return container.result()

    async def follow(self, name: str, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
        """Yield what a container printed; see ``ContainerRuntime.follow``."""
        self._check(name)
        container = self._containers.get(name)
        if container is None:
            return
        printed = self._printed.setdefault(name, [])
        at = max(len(printed) - tail, 0)
        while True:
            while at < len(printed):
                yield printed[at]
                at += 1
            if not live or container.done():
                return
            more = asyncio.create_task(self._more.wait())
            await asyncio.wait({container, more}, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()

    def prints(self, name: str, *texts: bytes, is_error: bool = False) -> None:
        """Have a container print lines while it is held by ``gate``."""
        self._printed[name] += [LogLine(is_error, each) for each in texts]
        self._more.set()
        self._more = asyncio.Event()

    async def usage(self, name: str) -> ContainerUse | None:
        """Return what a container uses now, which is nothing; None where none runs."""
        self._check(name)
        return ContainerUse(0, 0.0, 1) if name in self._containers else None

    async def set_cpus(self, name: str, cpus: float) -> None:
        """Note it; see ``ContainerRuntime.set_cpus``."""
        if self.is_down:
            raise RuntimeDown("the simulated engine is down")
        if name in self._containers:
            self.cpus[name] = cpus

    async def kill(self, name: str) -> None:
        """Stop and remove a container; none of this name is fine."""
        self._check(name)
        container = self._containers.pop(name, None)
        if container is not None:
            container.cancel()
            await asyncio.wait([container])

    async def orphans(self, label: str) -> tuple[str, ...]:
        """Return the names of all containers with a label ``key=value``."""
        self._check(label)
        key, _, value = label.partition("=")
        return tuple(sorted(n for n in self._containers if self._labels[n].get(key) == value))

    async def held_gpus(self, label: str) -> Mapping[str, str]:
        """Return the names of the GPUs that containers have; see ``ContainerRuntime.held_gpus``."""
        labels = {name: self._labels[name] for name in await self.orphans(label)}
        return {name: each[GPU_LABEL] for name, each in labels.items() if GPU_LABEL in each}

    async def sweep(self, label: str, spare: Callable[[str], bool]) -> tuple[str, ...]:
        """Remove the containers with a label; see ``ContainerRuntime.sweep``."""
        removed = tuple(name for name in await self.orphans(label) if not spare(name))
        for name in removed:
            await self.kill(name)
        return removed

    async def close(self) -> None:
        """End every computation, as a power cut would."""
        for container in self._containers.values():
            container.cancel()
        await asyncio.gather(*self._containers.values(), return_exceptions=True)
        self._containers.clear()

    def _check(self, name: str) -> None:
        if self.is_down:
            raise RuntimeDown("the simulated container engine is down: set is_down to False")
        if name in self.faults:
            raise self.faults[name]

    async def _compute(self, spec: ContainerSpec, app: NoopApp) -> ContainerOutcome:
        self.computations[spec.name] += 1
        for mount in spec.mounts:
            if mount.writable:
                empty(Path(mount.source))
        log.info("simulated_container_started", container=spec.name, image=spec.image)
        outcome = app(spec)
        splitter = LineSplitter()
        lines = [*splitter.add(outcome.stdout, is_error=False)]
        lines += splitter.add(outcome.stderr, is_error=True)
        self._printed[spec.name] = [*lines, *splitter.end()]
        await self.gate.wait()
        return outcome
