"""Saving what can be read of a damaged journal file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from poolhand.store import lines
from poolhand.store.record import Codec, DamagedRecord, Record


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did.

    Attributes:
        path: The journal, now readable.
        saved: The file as it was, beside it.
        kept: Good lines, all of them, in order.
        dropped: Numbers of the lines (in ``saved``) that did not check.
    """

    path: Path
    saved: Path
    kept: int
    dropped: tuple[int, ...]


def repair(path: Path, codec: Codec | None = None) -> RepairReport:
    """Keep every line of a journal that checks; the original stays beside it, nothing is lost.

    Raises:
        JournalLocked: A program has it open; stop that first.
        TooNewRecord: A later version wrote it; it is not damaged.
    """
    known = codec or Codec()
    held = lines.lock(path)
    try:
        saved = _free_name(path)
        good, dropped = _sort_out(path, known)
        os.link(path, saved)
        lines.replace(path, _renumbered(good, known))
        return RepairReport(path, saved, len(good), dropped)
    finally:
        os.close(held)


def _sort_out(path: Path, codec: Codec) -> tuple[list[Record], tuple[int, ...]]:
    good: list[Record] = []
    dropped: list[int] = []
    with path.open("rb") as file:
        for number, line in lines.numbered(file):
            try:
                good.append(codec.decode(line.removesuffix(b"\n")))
            except DamagedRecord:
                dropped.append(number)
    return good, tuple(dropped)


def _renumbered(records: list[Record], codec: Codec) -> Iterator[bytes]:
    for number, record in enumerate(records, start=1):
        yield codec.encode(replace(record, number=number))


def _free_name(path: Path) -> Path:
    count = 1
    while (name := path.with_name(f"{path.name}.damaged-{count}")).exists():
        count += 1
    return name
