"""What an app wrote: brought to its disk, and measured."""

from __future__ import annotations

from pathlib import Path

from poolhand.containers.folders import exceeds
from poolhand.containers.mounts import flush
from poolhand.ports.runtime import ContainerSpec


def flush_written(spec: ContainerSpec) -> None:
    """See to it that what the app wrote is what will be read: a full disk tells only now.

    Raises:
        OSError: The disk failed.
    """
    for mount in spec.mounts:
        if mount.writable:
            flush(Path(mount.source))


def is_too_large(spec: ContainerSpec) -> bool:
    """Tell whether an app has written more than its limits (bytes) allow."""
    limits = spec.limits
    places = [(mount.source, limits.output) for mount in spec.mounts if mount.writable]
    places += [(spec.workplace, limits.work)] if spec.workplace else []
    return any(exceeds(Path(folder), limit) for folder, limit in places)
