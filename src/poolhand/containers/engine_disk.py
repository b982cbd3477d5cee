"""The room that is left where an engine keeps its images, as far as it can be seen from here.

Source: moby 20.10 to 29 (``GET /info``; with containerd's image store images lie where that keeps
them: below the engine's own folder if the engine started it, else in a folder that nobody tells).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from aiodocker import Docker, DockerError

from poolhand.containers.engine import NO_ANSWER, answering, connect, working
from poolhand.domain.doctor.engine import LEAST_ROOM
from poolhand.domain.doctor.machine import show_bytes
from poolhand.observe.disk_space import free_bytes

SPARED: Final = LEAST_ROOM // 4
"""Bytes that no pull may take: what else writes to that disk would fail, other tasks among it."""
IMAGE_FILES: Final = 10_000
"""Files of an image of the usual size."""
PAUSE_BETWEEN_PULL_LOOKS: Final = 0.25
"""Pause between two looks during a pull."""
_LOCAL: Final = "unix://"
_CONTAINERD: Final = "/var/lib/containerd"
"""Where containerd keeps images, unless it is told otherwise."""
_STORE: Final = ["driver-type", "io.containerd.snapshotter.v1"]
_OWN: Final = "/docker/containerd/"
"""In the address of a containerd that the engine started."""


@dataclass(frozen=True, slots=True)
class PullRoom:
    """The room for images at the beginning of a pull, and while it lasts.

    Attributes:
        folder: Where images lie; None where that is not seen.
        before: Bytes left at the beginning; None where that is not seen.
    """

    folder: Path | None
    before: int | None

    @classmethod
    async def look(cls, docker: Docker, url: str) -> Self:
        """Look at an engine's disk before a pull; one that may not be asked is not seen.

        Raises:
            RuntimeDown: The engine does not answer.
        """
        with answering(url):
            try:
                info = await docker.system.info()
            except DockerError as fault:
                if fault.status == NO_ANSWER:
                    raise
                info = {}
        folder = folder_of(info, url)
        return cls(folder, await _room_at(folder))

    @property
    def was_little(self) -> bool:
        """Whether there was too little for an image of the usual size before anything came.

        An engine without it is short of room by itself; one that had it was filled by what came.
        """
        return self.before is not None and self.before < LEAST_ROOM

    async def runs_short(self) -> None:
        """Wait until less than ``SPARED`` is left; for ever where that is not seen, or was so."""
        is_watched = self.before is not None and self.before >= SPARED
        while True:
            await asyncio.sleep(PAUSE_BETWEEN_PULL_LOOKS)
            if is_watched and (room := await _room_at(self.folder)) is not None and room < SPARED:
                return


async def room_of(info: Mapping[str, Any], url: str) -> int | None:
    """Look how much room is left (bytes); None where that is not seen.

    Looked at and not asked, for what an engine says of its disk during a pull may be the words of a
    registry. An engine elsewhere, or whose folder has another name here, is not seen.

    Args:
        info: The engine's answer to ``GET /info``.
        url: Where it is.
    """
    return await _room_at(folder_of(info, url))


async def disk_lack(url: str) -> str | None:
    """Say why an engine has no room for anything new; None where it has, or that is not seen.

    With so little no image comes (``SPARED``), and what containers write of their own fails.

    Args:
        url: Where it is.

    Raises:
        RuntimeDown: It does not answer.
    """
    with working(url):
        docker = connect(url)
        try:
            room = await room_of(await docker.system.info(), url)
        finally:
            await docker.close()
    if room is None or room >= SPARED:
        return None
    return (
        f"the engine has less than {show_bytes(SPARED)} left where it keeps images and containers"
    )


def folder_of(info: Mapping[str, Any], url: str) -> Path | None:
    """Return where an engine keeps its images; None: elsewhere, or it does not tell."""
    root = info.get("DockerRootDir")
    if not root or not url.startswith(_LOCAL):
        return None
    if _STORE not in (info.get("DriverStatus") or ()):
        return Path(str(root))
    address = (info.get("Containerd") or {}).get("Address")
    if not address:
        return None
    return Path(str(root)) if _OWN in str(address) else Path(_CONTAINERD)


async def _room_at(folder: Path | None) -> int | None:
    if folder is None:
        return None
    try:
        return await asyncio.to_thread(free_bytes, folder, IMAGE_FILES)
    except (OSError, ValueError):  # not here, not ours to look at, or no path
        return None
