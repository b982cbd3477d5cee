"""Files of an object store in memory: for tests and simulations; they are gone with the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from poolhand.ports.storage import StorageDown


class MemoryObjects:
    """Implements ``ports.storage.ObjectStore``; ``files`` holds them by name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def check(self) -> None:
        """Find it usable."""

    async def put(self, name: str, path: str) -> str:
        """Store a local file."""
        self.files[name] = await asyncio.to_thread(Path(path).read_bytes)
        return ""

    async def read(
        self,
        name: str,
        location: str,  # noqa: ARG002 - of storages that have addresses of their own
        first: int,
        count: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield bytes of a file."""
        if name not in self.files:
            raise StorageDown(f"memory has lost {name}: nobody else removes files")
        content = self.files[name]
        yield content[first : None if count is None else first + count]

    async def remove(self, name: str) -> None:
        """Delete a file; repeatable."""
        self.files.pop(name, None)

    async def names(self) -> AsyncIterator[str]:
        """Yield the names of all files."""
        for name in tuple(self.files):
            yield name
