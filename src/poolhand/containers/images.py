"""Images that a Docker engine keeps.

Source: Docker Engine API 1.41, ``DELETE /images/{name}``: without ``force`` an image that a
container has, running or not, is refused with 409; of one that has other names, only this one goes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from aiodocker import Docker, DockerError

from poolhand.containers.engine import (
    CONFLICT,
    DEFAULT_URL,
    STATUS_NOT_FOUND,
    answering,
    connect,
    working,
)


class DockerImages:
    """Implements ``ports.images.EngineImages``.

    Args:
        docker: The engine.
        url: Where it is.
    """

    def __init__(self, docker: Docker, url: str) -> None:
        self._docker, self._url = docker, url

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str | None) -> AsyncIterator[Self]:
        """Be a client of an engine until the end of the context; it may be away meanwhile."""
        where = url or DEFAULT_URL
        with answering(where):
            docker = connect(where)
        try:
            yield cls(docker, where)
        finally:
            await docker.close()

    async def size(self, reference: str) -> int | None:
        """Return the bytes of an image; see ``EngineImages.size``."""
        with working(self._url):
            try:
                found = await self._docker.images.inspect(reference)
            except DockerError as fault:
                if fault.status != STATUS_NOT_FOUND:
                    raise
                return None
        return int(found.get("Size") or 0)

    async def remove(self, reference: str) -> bool:
        """Remove an image; see ``EngineImages.remove``."""
        with working(self._url):
            try:
                await self._docker.images.delete(reference)
            except DockerError as fault:
                if fault.status not in (STATUS_NOT_FOUND, CONFLICT):
                    raise
                return fault.status == STATUS_NOT_FOUND
        return True
