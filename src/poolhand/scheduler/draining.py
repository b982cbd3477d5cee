"""Draining: the pool sells nothing new and finishes what is open, until its owner has it resume.

What its owner asked for is remembered over restarts, and by a standby that takes over. An order
that was signed before is a promise: whoever has it may still buy with it, and is served. Where the
pool is to end for good, its orders in markets are cancelled on chain, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog

from poolhand.ports.journal import EventLog
from poolhand.scheduler.journaled_map import JournaledMap, MapCodec

_WISH: Final = "wish"
_WHY: Final = "its owner drains it: it finishes what is open and sells nothing new"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DrainWish:
    """What the owner wants: the pool drained, and its orders cancelled on chain."""

    drains: bool = False
    cancels: bool = False


def _decoded(members: Mapping[str, Any]) -> DrainWish:
    return DrainWish(members["drains"], members["cancels"])


class PoolDrain:
    """Whether the pool drains.

    Args:
        journal: One record; None forgets at a restart.
    """

    def __init__(self, journal: EventLog | None) -> None:
        self._journal = journal
        codec: MapCodec[str, DrainWish] = MapCodec(str, asdict, _decoded)
        self._known = JournaledMap(journal, codec, most=1)

    def recover(self) -> None:
        """Read what was asked for before the program ended."""
        self._known.recover()

    @property
    def wish(self) -> DrainWish:
        """What the owner asked for last."""
        return self._known.get(_WISH) or DrainWish()

    @property
    def why(self) -> str | None:
        """Why nothing is sold; None where the pool does not drain."""
        return _WHY if self.wish.drains else None

    @property
    def ending(self) -> str | None:
        """Why what was signed is cancelled on chain; None where it is not."""
        return _WHY if self.wish.cancels else None

    async def ask(self, wish: DrainWish) -> None:
        """Do as the owner wishes from now on; returns once that would survive a crash."""
        if wish != self.wish:
            self._known.put(_WISH, wish, durably=True)
            log.info("pool_drains" if wish.drains else "pool_resumes", cancels=wish.cancels)
        if self._journal is not None:
            await self._journal.durable()
