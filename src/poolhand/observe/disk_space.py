"""What may still be written to a disk: a file system that can make no more files is full, too."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(place: Path, files: int = 1) -> int:
    """Return what may still be written on the disk of a place (bytes).

    Args:
        place: A file or folder that is there.
        files: How many new files are needed; 0 bytes are free where there is no room for so many.
            File systems that do not count them have room.

    Raises:
        OSError: The place cannot be looked at.
    """
    told = os.statvfs(place)
    if told.f_files and told.f_favail < files:
        return 0
    return told.f_bavail * told.f_frsize
