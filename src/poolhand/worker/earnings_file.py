"""``earnings.json`` in the worker's folder: what the chain told of its earnings, by day and task.

It saves reading the chain again at a start. Nothing rests on it: one that is missing, damaged, of
another wallet, hub or life of a chain is made anew from the chain.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.earning_book import KeptEarnings
from poolhand.domain.errors import BadHex
from poolhand.domain.json_text import parse_json
from poolhand.observe.private import write_private
from poolhand.wire.earning_json import read_kept, show_kept

EARNINGS_FILE: Final = "earnings.json"
EARNINGS_FILE_VERSION: Final = 3
READ_VERSIONS: Final = (2, EARNINGS_FILE_VERSION)
"""In one of 2 every day has a row of its own."""

log = structlog.get_logger()


class EarningsFile:
    """Implements ``ports.earnings.EarningsKeeper``.

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
                or told["version"] not in READ_VERSIONS
                or told["owner"] != self._owner
            ):
                return None
            return read_kept(told)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadHex) as fault:
            log.warning("earnings_read_anew", path=str(self._path), cause=str(fault))
            return None

    def write(self, kept: KeptEarnings) -> None:
        """Keep a book; where the disk takes none, the next start reads the chain again."""
        told = {"version": EARNINGS_FILE_VERSION, "owner": self._owner, **show_kept(kept)}
        try:
            write_private(self._path, json.dumps(told, separators=(",", ":")))
        except OSError as fault:
            log.warning("earnings_not_kept", path=str(self._path), cause=str(fault))
