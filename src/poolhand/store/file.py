"""A journal in one file: a checked line per record, on disk before ``append`` returns."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from poolhand.domain.errors import BrokenPrecondition
from poolhand.observe.private import create_private
from poolhand.store import lines
from poolhand.store.errors import (
    NO_ROOM,
    JournalCorrupt,
    JournalFull,
    JournalTooNew,
    JournalUnwritable,
)
from poolhand.store.record import Codec, DamagedRecord, Record, TooNewRecord

_LOG = structlog.get_logger()


class FileJournal:
    """Implements ``ports.journal.Journal`` over JSON lines.

    A last line without its end, the mark of a crash in the middle of ``append``, is cut off when
    the file is opened: that append never returned. Anything else that does not check is damage
    and is not passed over. A forgotten stream is buried by one line; the file is rewritten once
    the dead lines outnumber both the living and ``slack``.

    Args:
        path: The file, made when missing; ``<path>.lock`` beside it is held while open.
        codec: Record version and the ways up from older ones.
        slack: Dead lines that are not worth a rewrite.
        sync: Puts on disk what was written; a test that watches it passes its own.

    Raises:
        JournalLocked: Another process has it open.
        JournalCorrupt: A line was altered; file and line number are named.
        JournalTooNew: A later version wrote it.
    """

    def __init__(
        self,
        path: Path,
        codec: Codec | None = None,
        slack: int = 1000,
        sync: lines.Sync = os.fsync,
    ) -> None:
        self._path, self._codec, self._slack = Path(path), codec or Codec(), slack
        self._sync = sync
        self._mutex = threading.RLock()
        self._living: Counter[str] = Counter()
        self._buried: dict[str, int] = {}
        self._dead = self._last = self._size = 0
        self._lock: int | None = lines.lock(self._path)
        try:
            existed = self._path.exists()
            create_private(self._path)
            self._file = self._path.open("a+b", buffering=0)
        except BaseException:
            os.close(self._lock)
            raise
        try:
            if not existed:
                lines.sync_folder(self._path.parent, sync)
            self._scan()
        except BaseException:
            self.close()
            raise

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event; it survives a power cut once this returns.

        Raises:
            JournalFull: No room; nothing was recorded.
            JournalUnwritable: Any other refusal of the disk; nothing was recorded.
        """
        self.append_all(((stream, event),))

    def append_all(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Record several events with one sync; a crash may leave the first few alone."""
        with self._mutex:
            self._check()
            start = self._last + 1
            records = [
                Record(number, stream, dict(event))
                for number, (stream, event) in enumerate(events, start)
            ]
            self._write(b"".join(map(self._codec.encode, records)))
            for record in records:
                self._note(record)

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) in order of writing, forgotten streams left out.

        Raises:
            JournalCorrupt: A line was altered since the journal was opened.
        """
        self._check()
        for record, _ in self._alive():
            if record.event is not None and record.stream.startswith(prefix):
                yield record.stream, record.event

    def forget(self, stream: str) -> None:
        """Drop a stream whose story is over; repeatable, and cheap."""
        with self._mutex:
            self._check()
            if not self._living[stream]:
                return
            grave = Record(self._last + 1, stream, None)
            self._write(self._codec.encode(grave))
            self._note(grave)
            if self._dead > max(self._slack, self._living.total()):
                self.compact()

    def compact(self) -> None:
        """Rewrite the file without its dead lines, whole or not at all."""
        with self._mutex:
            self._check()
            before = self._size
            try:
                self._size = lines.replace(
                    self._path, (line for _, line in self._alive()), self._sync
                )
            except OSError as fault:
                raise self._unwritable(fault) from fault
            self._file.close()
            self._file = self._path.open("a+b", buffering=0)
            self._dead, self._buried = 0, {}
            _LOG.info("journal_compacted", path=str(self._path), before=before, after=self._size)

    def close(self) -> None:
        """Release file and lock; repeatable."""
        with self._mutex:
            if self._lock is not None:
                self._file.close()
                os.close(self._lock)
                self._lock = None

    def _check(self) -> None:
        if self._lock is None:
            raise BrokenPrecondition(f"journal {self._path} is closed")

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:]) or 0
            self._sync(self._file.fileno())
        except OSError as fault:
            os.ftruncate(self._file.fileno(), self._size)
            raise self._unwritable(fault) from fault
        self._size += len(data)

    def _unwritable(self, fault: OSError) -> JournalFull | JournalUnwritable:
        full = fault.errno in NO_ROOM
        made = (
            JournalFull(str(self._path)) if full else JournalUnwritable(str(self._path), str(fault))
        )
        _LOG.error(made.code.replace("-", "_"), cause=str(made))
        return made

    def _note(self, record: Record) -> None:
        self._last = record.number
        if record.event is not None:
            self._living[record.stream] += 1
            return
        self._dead += self._living.pop(record.stream, 0) + 1
        self._buried[record.stream] = record.number

    def _scan(self) -> None:
        """Check every line, cut a torn last one, count the living and the dead."""
        with self._path.open("rb") as file:
            for number, line in lines.numbered(file):
                if not line.endswith(b"\n"):
                    _LOG.warning("journal_tail_cut", path=str(self._path), line=number)
                    os.ftruncate(self._file.fileno(), self._size)
                    self._sync(self._file.fileno())
                    return
                self._note(self._decode(number, line, self._last))
                self._size += len(line)

    def _alive(self) -> Iterator[tuple[Record, bytes]]:
        """Yield living records and their lines, up to the size at the start."""
        left, last = self._size, 0
        with self._path.open("rb") as file:
            for number, line in lines.numbered(file):
                left -= len(line)
                if left < 0:
                    return
                record = self._decode(number, line, last)
                last = record.number
                if record.event is not None and last > self._buried.get(record.stream, 0):
                    yield record, line

    def _decode(self, number: int, line: bytes, last: int) -> Record:
        try:
            record = self._codec.decode(line[:-1])
        except TooNewRecord as fault:
            raise JournalTooNew(str(self._path), fault.version, self._codec.version) from fault
        except DamagedRecord as fault:
            raise JournalCorrupt(str(self._path), number, str(fault)) from fault
        if record.number <= last:
            raise JournalCorrupt(str(self._path), number, "out of order")
        return record
