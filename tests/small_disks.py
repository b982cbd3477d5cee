"""Disks of their own for a folder, where this machine has such."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

from poolhand.containers import mounts
from poolhand.containers.disks import DiskKind, TaskDisks, try_out


def works(kind):
    """Tell whether this machine has such disks (root, and no container around us)."""
    try:
        try_out(kind, Path(os.environ.get("TMPDIR", "/tmp")) / f"poolhand-{os.getpid()}")
    except OSError:
        return False
    return True


@contextmanager
def small_disk(folder):
    """Yield a folder on a disk of its own with little more than 1 MiB, until the block ends."""
    folder.mkdir()
    TaskDisks(DiskKind.TMPFS).lay(folder, 0, 100)
    try:
        yield folder
    finally:
        mounts.release(folder)
