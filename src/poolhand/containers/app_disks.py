"""The disks of one run: each folder that an app may write to, made empty and of its size."""

from __future__ import annotations

from pathlib import Path

from poolhand.containers.disks import TaskDisks
from poolhand.containers.errors import ContainerRefused, DiskUnready
from poolhand.containers.sandbox import RESULT_FILES
from poolhand.containers.working_folder import FILES
from poolhand.ports.runtime import ContainerSpec


def lay_disks(disks: TaskDisks, spec: ContainerSpec, *, has_copy: bool) -> None:
    """Make what a new container may write to empty disks, open to whatever uid it has.

    Args:
        disks: Of what kind.
        spec: Whose mounts.
        has_copy: Whether the app gets a copy of its working folder.

    Raises:
        ContainerRefused: What is to be mounted is no folder.
        DiskUnready: A disk could not be made.
    """
    for mount in spec.mounts:
        if not Path(mount.source).is_dir():
            raise ContainerRefused(spec.name, f"{mount.source}, to be mounted, is no folder")
        if mount.writable:
            _lay(disks, spec, mount.source, spec.limits.output, RESULT_FILES)
    if has_copy and spec.workplace:
        _lay(disks, spec, spec.workplace, spec.limits.work, FILES)


def _lay(disks: TaskDisks, spec: ContainerSpec, folder: str, size: int, files: int) -> None:
    try:
        disks.lay(Path(folder), size, files)
    except OSError as fault:
        why = f"{folder} cannot be made an empty disk: {fault}"
        raise DiskUnready(spec.name, why) from fault
