"""Result archives in a folder of the local disk.

``<folder>/<task id>/<worker>-<digest>.zip`` with a record ``….json`` beside it. The record is
written last, so an archive without one is the mark of a crash and is removed at the next start.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.errors import Malformed, Refused, Unavailable
from poolhand.domain.ids import TaskId
from poolhand.observe.private import create_private, narrow, private_folder
from poolhand.ports.vault import Archive
from poolhand.wire.journal_json import EventCodec

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CODEC: Final = EventCodec[Archive]((Archive,))
_log = structlog.get_logger()


class VaultFull(Unavailable):
    """The disk has no room for the archive; nothing was kept."""

    http_status = 507


class VaultDown(Unavailable):
    """The disk refused to read or write."""


class DiskVault:
    """Implements ``ports.vault.Vault``.

    Args:
        folder: Made when missing, readable by its owner alone; what crashes left is removed.

    Raises:
        VaultDown: It cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        with _disk(folder):
            private_folder(folder)
            private_folder(self._incoming)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            for path in folder.glob("0x*/*"):
                narrow(path)
                if path.suffix != ".json" and not path.with_suffix(".json").exists():
                    path.unlink()

    @contextmanager
    def incoming(self) -> Iterator[str]:
        """Lend a new empty file for an upload under way; it is removed in the end.

        What the disk refuses to who writes there is named too.
        """
        with _disk(self._folder):
            handle, name = tempfile.mkstemp(dir=self._incoming)
            os.close(handle)
            try:
                yield name
            finally:
                Path(name).unlink(missing_ok=True)

    def keep(self, archive: Archive, source: str) -> None:
        """Move an ``incoming`` file into the vault for good; it survives a power cut."""
        target = self._zip(archive)
        record = json.dumps(_CODEC.encode(archive))
        with _disk(self._folder):
            target.parent.mkdir(exist_ok=True, mode=0o700)
            _sync(Path(source))
            Path(source).replace(target)
            draft = target.with_suffix(".draft")
            create_private(draft)
            draft.write_text(record, encoding="utf-8")
            _sync(draft)
            draft.replace(target.with_suffix(".json"))
            _sync(target.parent)
            _sync(self._folder)

    def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""
        with _disk(self._folder):
            records = list((self._folder / str(task_id)).glob("*.json"))
            found = [archive for path in records if (archive := _read(path)) is not None]
        return tuple(sorted(found, key=lambda each: (each.stored_at, each.worker, each.digest)))

    def tasks(self) -> tuple[TaskId, ...]:
        """Return every task with an archive."""
        with _disk(self._folder):
            names = [path.name for path in self._folder.glob("0x*") if any(path.glob("*.json"))]
        found = []
        for name in sorted(names):
            with suppress(Refused):
                found.append(TaskId.parse(name))
        return tuple(found)

    def path(self, archive: Archive) -> str:
        """Return the local file to read an archive from."""
        return str(self._zip(archive))

    def remove(self, archive: Archive) -> None:
        """Delete an archive, its record first; repeatable."""
        target = self._zip(archive)
        with _disk(self._folder):
            target.with_suffix(".json").unlink(missing_ok=True)
            target.unlink(missing_ok=True)
            with suppress(OSError):
                target.parent.rmdir()

    def _zip(self, archive: Archive) -> Path:
        name = f"0x{archive.worker.hex()}-{archive.digest}.zip"
        return self._folder / str(archive.task_id) / name


def _read(path: Path) -> Archive | None:
    """Read a record; a damaged one is passed over, for the archive can be uploaded again."""
    try:
        return _CODEC.decode(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, Malformed) as fault:
        _log.warning("vault_record_damaged", path=str(path), cause=str(fault))
        return None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Name the disk's refusals."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _FULL:
            raise VaultFull(
                f"no room left in the results folder {folder}: its operator must free disk space"
            ) from fault
        raise VaultDown(f"the results folder {folder} failed ({fault}): check the disk") from fault
