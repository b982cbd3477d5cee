"""What each level costs: a container's whole life, computing, system calls, small files.

The levels take turns, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Mapping

from hostile.arena import Arena, last_line
from poolhand.containers.mounts import release

STARTS = 10
RUNS = 3


async def costs(arenas: Mapping[str, Arena]) -> dict[str, dict[str, float]]:
    """Measure them: milliseconds for a whole run of nothing, seconds for each kind of work."""
    found: dict[str, dict[str, list[float]]] = {each: defaultdict(list) for each in arenas}
    for turn in range(STARTS + 1):
        for level, arena in arenas.items():
            took = await _life(arena)
            if turn:
                found[level]["start_ms"].append(took * 1000)
    for _ in range(RUNS):
        for level, arena in arenas.items():
            outcome, folder = await arena.program("cost", 300)
            release(folder)
            for name, value in last_line(outcome.stdout).items():
                found[level][f"{name}_s"].append(float(str(value)))
    return {
        level: {name: round(statistics.median(values), 3) for name, values in told.items()}
        for level, told in found.items()
    }


async def _life(arena: Arena) -> float:
    """Run a container that does nothing; returns seconds from its creation to its removal."""
    began = time.perf_counter()
    outcome, folder = await arena.program("nothing", 60)
    took = time.perf_counter() - began
    release(folder)
    assert outcome.exit_code == 0, outcome
    return took
