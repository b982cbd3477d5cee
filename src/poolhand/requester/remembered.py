"""Deals that were bought here, remembered in a small file: a help to find them, never the truth.

The chain is asked about each; what is lost or damaged here is found again in its events. Only the
holder of the wallet's lock writes, so that no two programs do at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.domain.errors import PoolhandError
from poolhand.domain.ids import Address, DealId
from poolhand.observe.private import write_private
from poolhand.ports.chain import HubFacts
from poolhand.settings.home import at_home

DEALS_REMEMBERED: Final = 1000
"""Deals remembered; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class RememberedDeals:
    """The deals that one wallet bought on one hub, newest last.

    Attributes:
        path: Of the file: a deal's id in JSON on each line, for its owner alone.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, facts: HubFacts, owner: Address) -> RememberedDeals:
        """Return those of a wallet, beside its journal."""
        home = at_home(folder) / f"{facts.chain_id}-{facts.hub}"
        return cls(home / f"{owner}.deals")

    @property
    def exists(self) -> bool:
        """Whether anything was ever remembered."""
        return self.path.exists()

    def read(self) -> tuple[DealId, ...]:
        """Return what is remembered, oldest first; lines that are damaged are passed over."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return ()
        found = (_deal_id(line) for line in lines)
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def add(self, deal_id: DealId) -> None:
        """Remember a deal; repeatable. A disk that refuses costs the memory and nothing else."""
        kept = [each for each in self.read() if each != deal_id][1 - DEALS_REMEMBERED :]
        lines = (f"{json.dumps({'deal': str(each)})}\n" for each in (*kept, deal_id))
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self.path, "".join(lines))


def _deal_id(line: str) -> DealId | None:
    try:
        return DealId.parse(json.loads(line)["deal"])
    except (ValueError, TypeError, KeyError, PoolhandError):
        return None
