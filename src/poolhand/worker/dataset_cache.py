"""Datasets that tasks have had, by the checksum on chain: the next task need not fetch them again.

A file is looked at whole before it is used again, so that neither a disk nor a program that has
altered it goes unnoticed. A task has a name of its own for it in its folder (a hard link), which
its container may read alone; on another disk it has a copy.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.cache import CacheEntry, let_go
from poolhand.domain.units import UnixSeconds
from poolhand.observe.private import private_folder
from poolhand.worker.live_settings import LiveSettings

CHECKSUM_READ_BYTES: Final = 1 << 20
"""Bytes."""

log = structlog.get_logger()


class DatasetCache:
    """Keeps files in a folder, each under its checksum.

    Args:
        folder: Where; None, in simulations: nowhere.
        live: Has the limit; 0 keeps nothing.
        now: Tells the moment.
    """

    def __init__(
        self, folder: Path | None, live: LiveSettings, now: Callable[[], UnixSeconds]
    ) -> None:
        self._folder, self._live, self._now = folder, live, now
        self._stirred = asyncio.Event()
        live.changed.connect(self._stirred.set)

    async def take(self, checksum: str, target: Path, most: int) -> int | None:
        """Put a dataset into a task's folder; returns its bytes, None where it is not kept.

        Args:
            checksum: Its sha256 (hexadecimal).
            target: Where it is wanted.
            most: Bytes; a larger one is left.
        """
        if self._folder is None or not self._live.now.dataset_cache:
            return None
        return await asyncio.to_thread(self._take, self._folder / checksum, checksum, target, most)

    async def keep(self, checksum: str, source: Path) -> None:
        """Keep a dataset that a task has fetched and checked, and let go of what is too much."""
        limit = self._live.now.dataset_cache
        if self._folder is not None:
            await asyncio.to_thread(self._keep, self._folder, checksum, source, limit)

    async def keep_clean(self) -> None:
        """Let go of what is too much when the limit has changed, for ever."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            if self._folder is not None:
                await asyncio.to_thread(self._tidy, self._folder, self._live.now.dataset_cache)

    def _tidy(self, folder: Path, limit: int) -> None:
        try:
            self._clean(folder, limit)
        except OSError as fault:
            log.warning("datasets_not_cleaned", folder=str(folder), cause=str(fault))

    def _take(self, kept: Path, checksum: str, target: Path, most: int) -> int | None:
        try:
            size = kept.stat().st_size
            if size > most:
                return None
            if _checksum(kept) != checksum:
                log.warning("dataset_altered", file=str(kept), next_step="it is fetched again")
                kept.unlink(missing_ok=True)
                return None
            target.unlink(missing_ok=True)
            _link(kept, target)
            os.utime(kept, (self._now(), self._now()))
        except OSError:
            return None
        log.info("dataset_kept_used", checksum=checksum, bytes=size)
        return size

    def _keep(self, folder: Path, checksum: str, source: Path, limit: int) -> None:
        try:
            if limit:
                private_folder(folder)
                draft = folder / f".{checksum}.part"
                draft.unlink(missing_ok=True)
                _link(source, draft)
                os.utime(draft, (self._now(), self._now()))
                draft.replace(folder / checksum)
            self._clean(folder, limit)
        except OSError as fault:  # the task has its own, and the next one fetches it
            log.info("dataset_not_kept", checksum=checksum, cause=str(fault))

    def _clean(self, folder: Path, limit: int) -> None:
        entries = {}
        for each in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):
                found = each.stat()
                entries[each.name] = CacheEntry(UnixSeconds(int(found.st_mtime)), found.st_size)
        for name in let_go(entries, limit, ()):
            (folder / name).unlink(missing_ok=True)
            log.info("dataset_removed", checksum=name, bytes=entries[name].size)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)


def _checksum(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while data := opened.read(CHECKSUM_READ_BYTES):
            found.update(data)
    return found.hexdigest()
