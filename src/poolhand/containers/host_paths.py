"""Where a worker's folders lie for an engine: they have other names if the worker is a container.

What an engine mounts into an app it looks for on its own machine. A worker that is a container
itself sees its data under the names of its own mounts; the engine tells what these are outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aiodocker import Docker

from poolhand.containers.engine import inspect
from poolhand.containers.mounts import MOUNTED
from poolhand.ports.runtime import ContainerSpec, Mount

_OWN: Final = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) /etc/")
"""The files that an engine gives every container, by its id, as the kernel lists them."""


@dataclass(frozen=True, slots=True)
class HostPaths:
    """Folders of this container and what they are outside, the longest first; none: the same."""

    outside: tuple[tuple[Path, Path], ...] = ()

    @classmethod
    def told(cls, container: Mapping[str, Any]) -> HostPaths:
        """Read an engine's account of this container."""
        found = (
            (Path(each["Destination"]), Path(each["Source"]))
            for each in container.get("Mounts") or ()
            if each.get("Source") and each.get("Destination")
        )
        return cls(tuple(sorted(found, key=lambda pair: len(pair[0].parts), reverse=True)))

    def of(self, path: str) -> str:
        """Return what the engine calls a path of ours."""
        here = Path(path)
        for inside, outside in self.outside:
            if here.is_relative_to(inside):
                return str(outside / here.relative_to(inside))
        return path

    def seen(self, spec: ContainerSpec) -> ContainerSpec:
        """Return the same run with the folders as the engine calls them."""
        mounts = tuple(Mount(self.of(m.source), m.target, m.writable) for m in spec.mounts)
        return replace(spec, mounts=mounts, workplace=spec.workplace and self.of(spec.workplace))


def own_container(told: Path = MOUNTED) -> str | None:
    """Return the id of the container in which this process runs; None: it runs in none.

    Args:
        told: Where the kernel lists what is mounted.
    """
    try:
        found = _OWN.search(told.read_text(errors="replace"))
    except OSError:
        return None
    return found[1] if found else None


class OutsidePaths:
    """Asks an engine once, when something is first to be mounted, what our folders are outside.

    Args:
        docker: The engine.
        inside: The container of this process, see ``own_container``; None, or one that this engine
            does not know: folders have the same names outside.
    """

    def __init__(self, docker: Docker, inside: str | None) -> None:
        self._docker, self._inside = docker, inside
        self._found: HostPaths | None = None

    async def seen(self, spec: ContainerSpec) -> ContainerSpec:
        """Return a run as the engine must be told of it.

        Raises:
            DockerError: The engine tells of a fault of its own.
        """
        if self._found is None:
            known = None if self._inside is None else await inspect(self._docker, self._inside)
            self._found = HostPaths() if known is None else HostPaths.told(known)
        return self._found.seen(spec)
