"""Python's search for unreachable cycles, such that nobody waits for it.

A full search goes through everything there is while the loop stands still: 120 ms with 1,500 tasks,
and again whenever a quarter is new. What a pool keeps (tasks, workers) has no cycles: so what is
young is searched as always, what has grown a little older in small parts, everything but rarely.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from poolhand.ports.clock import Clock

FULL_COLLECTION_EVERY: Final = 3600.0
"""Seconds between two full searches: what connections and errors leave in cycles is little."""
YOUNG_SEARCHES: Final = 3
"""Searches of the youngest before one of the middle generation, which is then so many thousand
objects small: with Python's own ten it took 10 to 24 ms of the loop at 2,000 events a second."""
NEVER: Final = 1 << 30
"""Searches of the middle generation before a full one."""

log = structlog.get_logger()


@contextmanager
def without_full_searches() -> Iterator[None]:
    """Let Python begin no full search by itself; what is there now is left out of others too."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(before[0], YOUNG_SEARCHES, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def keep_searching(clock: Clock) -> None:
    """Search everything now and then, for ever."""
    while True:
        await clock.sleep(FULL_COLLECTION_EVERY)
        log.debug("cycles_collected", objects=gc.collect())
