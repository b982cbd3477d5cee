"""``told-loss.json`` in the worker's folder: how much lost stake its owner has been told of.

So a loss is told that the chain knows of when the worker starts again, after whatever kept it away.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.json_text import parse_json
from poolhand.domain.units import NanoRlc
from poolhand.observe.private import write_private

TOLD_LOSS_FILE: Final = "told-loss.json"
_VERSION: Final = 1

log = structlog.get_logger()


class ToldLoss:
    """Remembers a sum.

    Args:
        folder: Of the worker; None, in simulations: it is forgotten with this object.
        owner: Whose losses, on which hub of which chain: of another's nothing is read.

    Attributes:
        lost: Of what was lost in all the owner knows this (nRLC); None: nothing was ever noted.
    """

    def __init__(self, folder: Path | None, owner: str) -> None:
        self._path = None if folder is None else folder / TOLD_LOSS_FILE
        self._owner = owner
        self.lost = self._read()

    def note(self, lost: NanoRlc | None) -> None:
        """Remember what the owner knows; None: the chain has not told yet."""
        if lost is None or lost == self.lost:
            return
        self.lost = lost
        if self._path is None:
            return
        told = {"version": _VERSION, "owner": self._owner, "lost": lost}
        try:
            write_private(self._path, json.dumps(told))
        except OSError as fault:  # after a restart it is told once more, or not at all
            log.warning("told_loss_not_kept", path=str(self._path), cause=str(fault))

    def _read(self) -> NanoRlc | None:
        if self._path is None:
            return None
        try:
            told = parse_json(self._path.read_bytes())
            if told["version"] != _VERSION or told["owner"] != self._owner:
                return None
            return NanoRlc(int(told["lost"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            log.warning("told_loss_forgotten", path=str(self._path), cause=str(fault))
            return None
