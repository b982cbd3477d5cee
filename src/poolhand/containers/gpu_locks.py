"""One worker per GPU: two would give it to two tasks at once, which would share its memory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from poolhand.domain.errors import EndsProgram, Refused
from poolhand.domain.gpu import Gpu
from poolhand.settings.home import at_home

GPU_LOCKS: Final = "gpus"
"""Folder of these locks, below that of the wallets'."""
_LONGEST_LOCK: Final = 64
"""Bytes of a lock that are read."""


class GpuInUse(EndsProgram, Refused):
    """Another worker of this computer gives the GPU to its tasks."""

    def __init__(self, gpu: Gpu, holder: str) -> None:
        super().__init__(
            f"{gpu} is given to tasks by another worker of this computer (process {holder}): name "
            "the others for this one with --gpus, or stop that worker"
        )
        self.gpu = gpu


@contextmanager
def locked_gpus(folder: Path, gpus: Sequence[Gpu]) -> Iterator[None]:
    """Hold GPUs while the ``with`` block runs; the kernel lets go when the process dies.

    Args:
        folder: Of this machine's locks.
        gpus: To hold.

    Raises:
        GpuInUse: Another process of this computer holds one of them; then none is held.
    """
    with ExitStack() as stack:
        for each in gpus:
            handle = _locked(at_home(folder) / GPU_LOCKS / f"{each.name}.lock", each)
            stack.callback(os.close, handle)
        yield


def _locked(path: Path, gpu: Gpu) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, _LONGEST_LOCK, 0).decode(errors="replace").strip()
        os.close(handle)
        raise GpuInUse(gpu, holder or "unknown") from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle
