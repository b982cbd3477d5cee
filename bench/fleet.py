"""A fleet of 64 workers behind one address: its wallets are made, and its pool lets all of them in.

Workers are light ones (``bench.crowd``): they log in by the real protocol, all at once, as after a
power cut, and come back as a worker does when the pool has no room for them. 64 real programs would
take a minute of two cores to be loaded, which says nothing of a pool; what one takes to start is
``join.all_set_s``. The pool's limits for one address are those that it has unless its owner says
otherwise: 64 connections, 32 that log in.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bench.frame import Job, Keys
from bench.lone_pool import crowds, lone_pool
from poolhand.cli.fleet.folder import FleetFolder
from poolhand.cli.fleet.wallets import make_wallets

WORKERS = 64
TIME_LIMIT = 120.0
"""Seconds after which whoever has not joined never will."""
ADDRESS = "127.9.9.9"
"""The one from which all of them come."""


class NotAllJoined(RuntimeError):
    """Some workers were not let in."""


async def keys(job: Job) -> Keys:
    """Make wallets, then have as many workers join."""
    workers = job.scaled(WORKERS)
    made = await asyncio.to_thread(_wallets_made, job.home, workers)
    job.say(f"{workers} wallets made in {made:.1f} s")
    async with lone_pool(job.home) as pool, crowds(pool, workers, address=ADDRESS) as crowd:
        began = time.monotonic()
        await crowd.until("connected", workers, TIME_LIMIT)
        took = time.monotonic() - began
        joined = int(crowd.total("connected"))
        job.say(f"{joined} of {workers} joined in {took:.1f} s")
    if joined != workers:
        raise NotAllJoined(f"{joined} of {workers}")
    return {"fleet": {"join_64_s": round(took, 1), "wallets_64_s": round(made, 1)}}


def _wallets_made(home: Path, count: int) -> float:
    """Return the seconds that the wallets of a fleet take, from its phrase to its keystores."""
    os.environ["POOLHAND_JOIN_HOME"] = str(home / "fleet")
    began = time.perf_counter()
    phrase = str(home / "phrase")
    make_wallets(FleetFolder.of("bench"), count, words_file="", words_to=phrase, yes=True)
    return time.perf_counter() - began
