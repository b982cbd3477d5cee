"""Where a worker's folders lie for an engine: they have other names if the worker is a container.

What an engine mounts into an app it looks for on its own machine. A worker that is a container
itself sees its data under the names of its own mounts; the engine tells what these are outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiodocker import Docker

from poolhand.containers.engine import inspect
from poolhand.containers.mounts import MOUNTED, name_on_disk

_OWN: Final = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) /etc/")
"""The files that an engine gives every container, by its id, as the kernel lists them."""


@dataclass(frozen=True, slots=True)
class MountedPlace:
    """A folder of this container, what it is outside, and whether the engine keeps it."""

    inside: Path
    outside: Path
    is_volume: bool


@dataclass(frozen=True, slots=True)
class HostPaths:
    """The folders of this container, those deepest within first; none: paths are the same."""

    places: tuple[MountedPlace, ...] = ()

    @classmethod
    def told(cls, container: Mapping[str, Any]) -> HostPaths:
        """Read an engine's account of this container."""
        found = (
            MountedPlace(
                Path(each["Destination"]), Path(each["Source"]), each.get("Type") == "volume"
            )
            for each in container.get("Mounts") or ()
            if each.get("Source") and each.get("Destination")
        )
        return cls(tuple(sorted(found, key=lambda place: len(place.inside.parts), reverse=True)))

    def of(self, path: str) -> str:
        """Return what the engine calls a path of ours."""
        place = self._place(path)
        return path if place is None else str(place.outside / Path(path).relative_to(place.inside))

    def seen(self, mount: Mapping[str, Any]) -> dict[str, Any]:
        """Return a mount as the engine must be told of it.

        Of a folder that it keeps itself it takes no private mount, but one that follows.
        """
        place = self._place(mount["Source"])
        told = {**mount, "Source": self.of(mount["Source"])}
        if place is not None and place.is_volume:
            told["BindOptions"] = {**mount["BindOptions"], "Propagation": "rslave"}
        return told

    def _place(self, path: str) -> MountedPlace | None:
        here = Path(path)
        return next((each for each in self.places if here.is_relative_to(each.inside)), None)


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


def name_on_machine(folder: Path, told: Path = MOUNTED) -> Path:
    """Return a name that a folder shares with none of another container on the same machine.

    All workers in containers have their data at the same path; what is mounted there tells them
    apart, without asking the engine.

    Args:
        folder: Of ours.
        told: Where the kernel lists what is mounted.
    """
    return folder if own_container(told) is None else name_on_disk(folder, told)


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

    async def seen(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return the body of ``POST /containers/create`` with mounts as the engine knows them.

        Raises:
            DockerError: The engine tells of a fault of its own.
        """
        if self._found is None:
            known = None if self._inside is None else await inspect(self._docker, self._inside)
            self._found = HostPaths() if known is None else HostPaths.told(known)
        host = config["HostConfig"]
        return {
            **config,
            "HostConfig": {**host, "Mounts": [self._found.seen(each) for each in host["Mounts"]]},
        }
