"""``earnings.json`` in the worker's folder: what the chain told of its earnings, by day and task.

It saves reading the chain again at a start. Nothing rests on it: one that is missing, damaged, of
another wallet, hub or life of a chain is made anew from the chain.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from poolhand.domain.earning_book import DayTotal, EarningBook, TaskTotal
from poolhand.domain.errors import BadHex
from poolhand.domain.ids import BlockHash, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.units import BlockNumber, UnixSeconds

EARNINGS_FILE: Final = "earnings.json"
EARNINGS_FILE_VERSION: Final = 2
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeptEarnings:
    """A book, and the hash of its last block: another there is of another life of the chain."""

    book: EarningBook
    last_hash: BlockHash


class EarningsFile:
    """Keeps a book over restarts.

    Args:
        folder: Of the worker.
        owner: Whose earnings, on which hub of which chain: of another's nothing is read.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._path, self._owner = folder / EARNINGS_FILE, owner

    def read(self) -> KeptEarnings | None:
        """Return what was kept; None where it has to be made anew."""
        try:
            told = parse_json(self._path.read_bytes())
            if (
                not isinstance(told, dict)
                or told["version"] != EARNINGS_FILE_VERSION
                or told["owner"] != self._owner
            ):
                return None
            return KeptEarnings(_book(told), BlockHash.parse(told["last_hash"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadHex) as fault:
            log.warning("earnings_read_anew", path=str(self._path), cause=str(fault))
            return None

    def write(self, kept: KeptEarnings) -> None:
        """Keep a book; where the disk takes none, the next start reads the chain again."""
        book = kept.book
        told = {
            "version": EARNINGS_FILE_VERSION,
            "owner": self._owner,
            "first": book.first,
            "last": book.last,
            "last_hash": str(kept.last_hash),
            "since": book.since,
            "wanted": book.wanted,
            "days": {str(day): asdict(row) for day, row in book.days.items()},
            "tasks": {str(name): asdict(row) for name, row in book.tasks.items()},
        }
        draft = self._path.with_name(f".{EARNINGS_FILE}.part")
        try:
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(told, file, separators=(",", ":"))
            draft.replace(self._path)
        except OSError as fault:
            log.warning("earnings_not_kept", path=str(self._path), cause=str(fault))


def _book(told: dict[str, Any]) -> EarningBook:
    days = {UnixSeconds(int(day)): DayTotal(**_ints(row)) for day, row in told["days"].items()}
    tasks = {TaskId.parse(name): TaskTotal(**_ints(row)) for name, row in told["tasks"].items()}
    first, last = BlockNumber(int(told["first"])), BlockNumber(int(told["last"]))
    since = None if told["since"] is None else UnixSeconds(int(told["since"]))
    return EarningBook(first, last, days, tasks, since, BlockNumber(int(told["wanted"])))


def _ints(row: dict[str, Any]) -> dict[str, Any]:
    if not all(type(value) is int for value in row.values()):
        raise ValueError("an amount is no whole number")
    return row
