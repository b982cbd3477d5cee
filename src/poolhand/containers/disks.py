"""A task's disk: a place of a certain size, in which an app cannot take one byte more.

A folder that is looked at now and then bounds nothing: files that were deleted while open do not
stand in it, and a file of 12 GB is allocated between two looks. So the kernel keeps the limit where
this machine lets it: by a file system of the task's own in a file (for root), or by a sized one in
memory. Source: systems-lab-2.md §10 (figures, and that deleted files count in both).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from poolhand.containers import mounts
from poolhand.containers.folders import empty, remove
from poolhand.domain.errors import Refused
from poolhand.domain.units import MIB

INODE: Final = 256
"""Bytes of one in ext4."""
SPARE_FOR_TABLES: Final = 8 * MIB
"""For the file system's own tables."""
TRIAL_DISK: Final = MIB
"""Bytes of the disk on which a kind is tried out."""
TRIAL_ROOM: Final = 16 * MIB
"""Bytes that must be free for a trial."""
SHARED_MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - a folder of ours in it

log = structlog.get_logger()


class DiskKind(StrEnum):
    """What keeps an app within its limit."""

    LOOP = "loop"
    TMPFS = "tmpfs"
    WATCH = "watch"


PROMISES: Final = {
    DiskKind.LOOP: "the kernel refuses what goes beyond: each task has a file system in a file",
    DiskKind.TMPFS: "the kernel refuses what goes beyond: each task has a file system in memory, "
    "and what it writes there counts as its memory",
    DiskKind.WATCH: "last resort: folders are measured four times a second, and an app can take "
    "more of the disk for as long as it runs; run the worker as root to have the kernel keep it",
}
"""What each kind gives, in one sentence for an operator."""


class NoSuchDisk(Refused):
    """The operator asked for a kind of disk that this machine cannot give."""

    def __init__(self, kind: DiskKind, why: str) -> None:
        super().__init__(
            f"this machine cannot give tasks a disk of kind '{kind}' ({why}): run the worker as "
            "root outside of containers, or set POOLHAND_TASK_DISK to auto"
        )


@dataclass(frozen=True, slots=True)
class TaskDisks:
    """Disks of one kind.

    Attributes:
        kind: What keeps the limit.
        is_seen: Whether the engine sees what is mounted here; asked for each disk.
    """

    kind: DiskKind
    is_seen: Callable[[], bool] = lambda: True

    def lay(self, folder: Path, size: int, files: int) -> None:
        """Make an existing folder an empty disk that everybody may write to; whatever it was.

        Args:
            folder: Where; what is behind it lies beside it.
            size: Bytes that an app may write; the kernel allows a little more.
            files: How many files and folders there is room for.

        Raises:
            OSError: There is no room for one, or the kernel would not.
        """
        mounts.release(folder)
        image = image_of(folder)
        image.unlink(missing_ok=True)
        empty(folder)
        kind = self.kind
        if kind is not DiskKind.WATCH and not self.is_seen():
            log.warning("engine_sees_no_disk", folder=str(folder), promise=PROMISES[DiskKind.WATCH])
            kind = DiskKind.WATCH
        if kind is DiskKind.LOOP:
            _loop(image, folder, size, files)
        elif kind is DiskKind.TMPFS:
            mounts.mount(
                "tmpfs", folder, "-t", "tmpfs", "-o", f"size={size + MIB},nr_inodes={files}"
            )
        folder.chmod(0o777)


def image_of(folder: Path) -> Path:
    """Return the file behind a disk of kind loop."""
    return folder.with_name(f".{folder.name}.disk")


def _loop(image: Path, folder: Path, size: int, files: int) -> None:
    """Mount an ext4 in a sparse file: a kill may cost it, so it keeps no journal of its own."""
    with image.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate(size + size // 16 + files * INODE + SPARE_FOR_TABLES)
    options = "lazy_itable_init=1,nodiscard,root_owner=0:0"
    mounts.run(
        "mkfs.ext4", "-q", "-F", "-b", "4096", "-I", str(INODE), "-N", str(files), "-m", "0",
        "-O", "^has_journal,^resize_inode", "-E", options, os.fspath(image),
    )  # fmt: skip
    mounts.mount(os.fspath(image), folder, "-t", "ext4", "-o", "loop")
    (folder / "lost+found").rmdir()


def choose(wanted: str, base: Path, engine: str) -> TaskDisks:
    """Find the kind of disk that this machine can give, by trying.

    Args:
        wanted: A kind, or ``auto``: the first that works, of file, memory, and the last resort.
        base: Folder below which tasks will lie.
        engine: URL of the container engine.

    Raises:
        NoSuchDisk: The wanted kind does not work.
    """

    def is_seen() -> bool:
        return mounts.shares_mounts(engine)

    kinds = tuple(DiskKind) if wanted == "auto" else (DiskKind(wanted),)
    why, place = "", _with_room(base)
    for kind in kinds:
        try:
            try_out(kind, place)
        except OSError as fault:
            why = fault.strerror or str(fault)
            log.info("task_disk_tried", kind=kind, cause=why)
        else:
            log.info("task_disk_chosen", kind=kind, promise=PROMISES[kind])
            return TaskDisks(kind, is_seen)
    raise NoSuchDisk(kinds[-1], why)


def _with_room(base: Path) -> Path:
    """Return where to try: elsewhere if this disk is full, for that says nothing of the kinds."""
    for place in (base, SHARED_MEMORY_FOLDER):
        there = next(each for each in (place, *place.parents) if each.exists())
        if shutil.disk_usage(there).free >= TRIAL_ROOM:
            return place
    return base


def try_out(kind: DiskKind, base: Path) -> None:
    """Lay a disk, ask it for far more than it has, and take it away.

    Raises:
        OSError: It cannot be laid, or gives more than it should.
    """
    place = base / f".disk-trial-{os.getpid()}" / "disk"
    place.mkdir(parents=True, exist_ok=True)
    try:
        TaskDisks(kind).lay(place, TRIAL_DISK, 1024)
        if kind is not DiskKind.WATCH:
            _ask_for_too_much(place)
    finally:
        remove(place.parent)


def _ask_for_too_much(place: Path) -> None:
    with (place / "file").open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, 64 * MIB)
        except OSError as fault:
            if fault.errno != errno.ENOSPC:
                raise
        else:
            raise OSError(errno.ENOTSUP, "the kernel did not keep the limit of a trial disk")
