"""``told-versions.json`` beside the folders of workers: of which newer versions the owner knows.

All workers of a fleet, or of one ``--base-dir``, share it: whichever finds a version first tells of
it, and no other, nor itself after a restart.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.json_text import parse_json

TOLD_VERSIONS_FILE: Final = "told-versions.json"
MOST_TOLD_VERSIONS: Final = 16
"""That are remembered; the last ones."""
_MOST_BYTES: Final = 4_096
_LONGEST_VERSION: Final = 80

log = structlog.get_logger()


class ToldVersions:
    """Remembers versions.

    Args:
        folder: In which workers have their folders; None, in simulations: this object remembers.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / TOLD_VERSIONS_FILE
        self._known = set[str]()

    def claim(self, version: str) -> bool:
        """Note that the owner is told of a version now; False: somebody has told it already."""
        version = version[:_LONGEST_VERSION]
        if version in self._known:
            return False
        self._known.add(version)
        if self._path is None:
            return True
        try:
            with _opened(self._path) as handle:
                told = _read(handle)
                if version in told:
                    return False
                _write(handle, [*told, version])
        except OSError as fault:  # after a restart it is told once more
            log.warning("told_versions_not_kept", path=str(self._path), cause=str(fault))
        return True

    def give_back(self, version: str) -> None:
        """Note that a notice of a version has reached nobody: another may tell it."""
        version = version[:_LONGEST_VERSION]
        self._known.discard(version)
        if self._path is None:
            return
        try:
            with _opened(self._path) as handle:
                _write(handle, [each for each in _read(handle) if each != version])
        except OSError as fault:
            log.warning("told_versions_not_kept", path=str(self._path), cause=str(fault))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Have the file to oneself while the block runs."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _read(handle: int) -> list[str]:
    """Return what it says; one that was cut off or altered says nothing."""
    try:
        told = parse_json(os.pread(handle, _MOST_BYTES, 0))["told"]
        return [each for each in told if isinstance(each, str)]
    except (ValueError, KeyError, TypeError):
        return []


def _write(handle: int, told: list[str]) -> None:
    content = json.dumps({"version": 1, "told": told[-MOST_TOLD_VERSIONS:]}).encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, content, 0)
