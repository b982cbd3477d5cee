"""Locks of a fleet: one program at a time keeps it running, and one changes it.

Two that change it would each write down what they have read, and forget the other's workers; two
that pay for it by different wallets would pay twice.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from poolhand.domain.errors import PoolhandError, Unavailable

if TYPE_CHECKING:
    from poolhand.cli.fleet.folder import FleetFolder

_PAUSE_BETWEEN_LOCK_TRIES: Final = 0.1
"""Seconds between two tries to lock."""
_MOST_LOCK_BYTES: Final = 20
"""Bytes of a lock that are read: the number of a process."""


class FleetBeingChanged(Unavailable):
    """Another command makes, funds, collects from or changes the fleet."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f"process {holder} changes fleet {name} already: give the same command again once "
            "that one has ended"
        )


@contextmanager
def changing(folder: FleetFolder) -> Iterator[None]:
    """Be the only one that changes a fleet while the block runs; raises FleetBeingChanged."""
    folder.make()
    with held(folder.path / "change.lock", lambda pid: FleetBeingChanged(folder.name, pid)):
        yield


@contextmanager
def held(
    path: Path, refusal: Callable[[str], PoolhandError], longest: float = 0.0
) -> Iterator[None]:
    """Hold a lock while the block runs; the kernel lets go of it when this process dies.

    Args:
        path: Of its file, which stays.
        refusal: Made of the number of the process that holds it, and raised.
        longest: Seconds to wait for that one.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle, refusal, time.monotonic() + longest)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, refusal: Callable[[str], PoolhandError], until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                holder = os.pread(handle, _MOST_LOCK_BYTES, 0).decode(errors="replace")
                raise refusal(holder or "unknown") from None
            time.sleep(_PAUSE_BETWEEN_LOCK_TRIES)
        else:
            return
