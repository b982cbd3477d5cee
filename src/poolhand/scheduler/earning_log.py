"""What the chain told of the owner's earnings, in the pool's journal: for the next start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from poolhand.domain.earning_book import KeptEarnings
from poolhand.ports.journal import EventLog
from poolhand.scheduler.journaled_map import JournaledMap, MapCodec
from poolhand.wire.earning_json import read_kept, show_kept


class EarningLog:
    """Implements ``ports.earnings.EarningsKeeper``; of single tasks nothing is kept.

    Args:
        journal: None forgets at a restart.
        owner: Whose earnings, on which hub of which chain: of another's nothing is read.
    """

    def __init__(self, journal: EventLog | None, owner: str) -> None:
        self._owner = owner
        self._known: JournaledMap[str, KeptEarnings] = JournaledMap(
            journal, MapCodec(str, _encoded, read_kept), most=1
        )

    def recover(self) -> None:
        """Read what was kept before the program ended."""
        self._known.recover()

    def read(self) -> KeptEarnings | None:
        """Return what was kept; None where there is nothing."""
        return self._known.get(self._owner)

    def write(self, kept: KeptEarnings) -> None:
        """Keep a book instead of the one before."""
        self._known.put(self._owner, kept, durably=True)


def _encoded(kept: KeptEarnings) -> Mapping[str, Any]:
    return show_kept(replace(kept, book=replace(kept.book, tasks={})))
