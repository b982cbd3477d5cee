"""Images that no task has used for long leave the shared folder; sooner where its room is short."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import structlog

from poolhand.containers.folders import remove
from poolhand.containers.slurm.run_folder import members_of

LONGEST_UNUSED_IMAGE: Final = 14 * 24 * 3600.0
"""Seconds after its last use for which an image stays, whatever room there is."""
LEAST_UNUSED_IMAGE: Final = 3600.0
"""Seconds after its last use in which it is never removed: its task may not have begun."""
ROOM_BEFORE_A_PULL: Final = 24 * 1024**3
"""Bytes wanted free before a pull: the largest image, packed and unpacked."""
IMAGE_FILE: Final = "image.json"
"""Its time stamp is the image's last use."""

log = structlog.get_logger()


def note_use(image: Path) -> None:
    """Note that an image is used now."""
    os.utime(image / IMAGE_FILE)


def clear_images(
    images: Path, runs: Path, now: float | None = None, free: Callable[[], int] | None = None
) -> tuple[str, ...]:
    """Remove images that are long unused, and others, longest unused first, until there is room.

    Args:
        images: Folder of images.
        runs: Folder of the runs, which use them.
        now: Seconds since 1970.
        free: Bytes that are left.

    Returns:
        The names of those that were removed: their digests.
    """
    now = time.time() if now is None else now
    used, removed = {*_used(runs)}, list[str]()
    for unused, image in sorted(_unused(images, now), reverse=True):
        left = shutil.disk_usage(images).free if free is None else free()
        wanted = unused > LONGEST_UNUSED_IMAGE or left < ROOM_BEFORE_A_PULL
        if wanted and unused > LEAST_UNUSED_IMAGE and image.name not in used:
            _remove(image)
            log.info("image_removed", image=image.name, unused_seconds=round(unused))
            removed.append(image.name)
    return tuple(removed)


def _used(runs: Path) -> Iterator[str]:
    """Yield the images of all runs that there are."""
    for order in runs.glob("*/*/order.json"):
        members = members_of(order)
        if members is not None:
            yield str(members.get("image"))


def _unused(images: Path, now: float) -> Iterator[tuple[float, Path]]:
    for stamp in images.glob(f"*/{IMAGE_FILE}"):
        if not stamp.parent.name.startswith("."):
            yield now - stamp.stat().st_mtime, stamp.parent


def _remove(image: Path) -> None:
    gone = image.with_name(f".gone-{image.name}")
    remove(gone)
    image.rename(gone)
    remove(gone)
