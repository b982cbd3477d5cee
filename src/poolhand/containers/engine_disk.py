"""The room that is left where an engine keeps its images, as far as it can be seen from here."""

from __future__ import annotations

import asyncio
import shutil
from typing import Final

from aiodocker import Docker

from poolhand.containers.engine import working

FULL: Final = 2**30
"""Bytes: an engine with less has no room for an image of the usual size, packed and unpacked."""
LOCAL: Final = "unix://"


async def is_full(docker: Docker, url: str) -> bool:
    """Tell whether an engine on this machine has next to no room left.

    Looked at and not asked, for what an engine says of its disk during a pull may be the words of a
    registry. Of an engine elsewhere, or whose folder has another name here, nothing is seen: False.

    Raises:
        RuntimeDown: The engine does not answer.
    """
    if not url.startswith(LOCAL):
        return False
    with working(url):
        told = await docker.system.info()
    try:
        usage = await asyncio.to_thread(shutil.disk_usage, str(told.get("DockerRootDir", "")))
    except OSError:
        return False
    return usage.free < FULL
