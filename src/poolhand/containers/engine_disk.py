"""The room that is left where an engine keeps its images, as far as it can be seen from here."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from typing import Any, Final

from aiodocker import Docker

from poolhand.containers.engine import working
from poolhand.domain.doctor.engine import LEAST_ROOM

_LOCAL: Final = "unix://"


async def room_of(info: Mapping[str, Any], url: str) -> int | None:
    """Look how much room is left; None where that is not seen.

    Looked at and not asked, for what an engine says of its disk during a pull may be the words of a
    registry. An engine elsewhere, or whose folder has another name here, is not seen.

    Args:
        info: The engine's answer to ``GET /info``.
        url: Where it is.

    Returns:
        Bytes.
    """
    folder = info.get("DockerRootDir")
    if not folder or not url.startswith(_LOCAL):
        return None
    try:
        return (await asyncio.to_thread(shutil.disk_usage, str(folder))).free
    except (OSError, ValueError):  # not here, not ours to look at, or no path
        return None


async def is_full(docker: Docker, url: str) -> bool:
    """Tell whether an engine is seen to have no room for an image.

    Raises:
        RuntimeDown: The engine does not answer.
    """
    with working(url):
        info = await docker.system.info()
    room = await room_of(info, url)
    return room is not None and room < LEAST_ROOM
