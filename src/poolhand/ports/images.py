"""Images that an engine keeps: looked at, and removed."""

from __future__ import annotations

from typing import Protocol


class EngineImages(Protocol):
    """An engine's images; every method raises RuntimeDown when it does not answer."""

    async def size(self, reference: str) -> int | None:
        """Return the bytes of an image with all its layers; None where it is not there."""

    async def remove(self, reference: str) -> bool:
        """Remove an image, but for the names and layers that something else has.

        Returns:
            False where a container has it, running or not; True where it is gone.
        """
