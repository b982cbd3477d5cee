"""Work in threads that ends when nobody waits for it: what it writes to is removed then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from poolhand.domain.errors import Unavailable

_T = TypeVar("_T")


class NoRoomToBuild(Unavailable):
    """An image cannot be written on this machine."""

    def __init__(self, fault: OSError) -> None:
        super().__init__(
            f"the image cannot be written here ({fault.strerror}): free some room where temporary "
            "files are, or name another place for them (TMPDIR)"
        )


async def in_thread(work: Callable[[threading.Event], _T]) -> _T:
    """Work in a thread, which has ended when this is left.

    Args:
        work: Told by an event that it is abandoned.

    Raises:
        NoRoomToBuild: The disk failed, or is full.
    """
    abandoned = threading.Event()
    working = asyncio.create_task(asyncio.to_thread(work, abandoned))
    try:
        return await asyncio.shield(working)
    except OSError as fault:
        raise NoRoomToBuild(fault) from fault
    finally:
        abandoned.set()
        await asyncio.gather(working, return_exceptions=True)
