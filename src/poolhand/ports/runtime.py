"""Container engines: pull an image by digest, run it in a sandbox, tell how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from poolhand.domain.gpu import Gpu
from poolhand.domain.units import Seconds

PROXY_SOCKET: Final = "proxy"
"""Name of the socket in the folder of what lets an app through to hosts."""
GPU_LABEL: Final = "poolhand.gpu"
"""Label of a container that has a GPU: that one's name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one container may use: bytes, CPUs (fractions allowed), processes.

    ``work`` is for the writable working folder, with what the image has there; 0: there is none.
    """

    memory: int
    cpus: float
    pids: int
    tmp: int
    log: int
    output: int
    work: int = 0


@dataclass(frozen=True, slots=True)
class Mount:
    """A host folder inside the container."""

    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One run. ``image`` names a digest; ``command`` empty means the image's own.

    ``proxy`` is a host folder with the socket (``PROXY_SOCKET``) of what lets the app through to
    hosts, and then its only way out of its container; empty: it has none, but for ``network``.
    ``workplace`` is a host folder for a writable copy of the folder where the image's program
    starts; empty: the app may write to its writable mounts and /tmp alone. ``gpu`` is the one that
    it is given; its label ``GPU_LABEL`` must name it.
    ``launcher`` are words put before all those of the image's own program, which they start; empty:
    the engine starts it.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    limits: Limits
    timeout: Seconds
    network: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    workplace: str = ""
    proxy: str = ""
    gpu: Gpu | None = None
    launcher: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerOutcome:
    """How a run ended. ``exit_code`` is None when it never started.

    ``joined`` tells that the container was there before: what stopped who began it (a full disk, a
    power cut) may have spoilt what it wrote.
    """

    exit_code: int | None
    timed_out: bool
    out_of_memory: bool
    output_too_large: bool
    stdout: bytes
    stderr: bytes
    seconds: float
    joined: bool = field(default=False, compare=False)


MOST_APP_LINE: Final = 4_096
"""Bytes of one line of an app's that are told at a time; a longer one is told in parts."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that an app printed, without its end; on standard error or output."""

    is_error: bool
    text: bytes


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """What a running container uses: bytes, seconds of all processors together, processes."""

    memory: int
    cpu_seconds: float
    processes: int


class ContainerRuntime(Protocol):
    """A container engine; every method raises RuntimeDown when it does not answer."""

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Make an image present and return the reference to run.

        Args:
            image: As on chain, e.g. ``docker.io/owner/app:1.0`` (a tag or nothing behind it).
            digest: 64 hexadecimal digits; the image is pulled by it, and not at all when present.
            timeout: For the whole pull.

        Raises:
            ImageNotFound: The registry knows no such image or digest.
            ImageUnusable: It will never run here: another processor, a form that is none.
            ImagePullFailed: The registry did not deliver within ``timeout``.
        """

    def pulling(self, reference: str) -> int | None:
        """Return the bytes of an image, as ``pull`` names it, that have come while it is pulled.

        None where no pull of it goes on, or the engine does not tell.
        """

    async def run(self, spec: ContainerSpec) -> ContainerOutcome:
        """Run to the end and remove the container.

        Repeat-safe: a container of this name that still runs is joined, one that ended is read.
        When it is started anew, its writable mounts are emptied first.

        Raises:
            ContainerRefused: The engine would not start it (bad command, bad option), or a
                container of this name is there without the labels of ``spec``: a stranger's.
            OSError: The disk behind a writable mount failed or was full: the run does not count.
        """

    def follow(self, name: str, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
        """Yield what a container printed, its last ``tail`` lines.

        With ``live``, also each line that it prints from then on, until it ends. The engine sends
        at the pace of whoever reads: nothing piles up here, and the app is not held up. Nothing of
        a container that is not there.
        """

    async def usage(self, name: str) -> ContainerUse | None:
        """Return what a container uses now; None where none of this name runs."""

    async def set_cpus(self, name: str, cpus: float) -> None:
        """Give a running container so many processors from now on; none of this name is fine.

        What a cluster runs keeps those that it began with.
        """

    async def kill(self, name: str) -> None:
        """Stop and remove a container; none of this name is fine."""

    async def held_gpus(self, label: str) -> Mapping[str, str]:
        """Return the GPUs that containers with a label ``key=value`` have, running or not.

        By the containers' names; none where no container can have one.
        """

    async def sweep(self, label: str, spare: Callable[[str], bool]) -> tuple[str, ...]:
        """Remove the containers with a label ``key=value``, running or not; return their names.

        Args:
            label: Of whose containers.
            spare: Asked of a container's name right before it would be removed.
        """
