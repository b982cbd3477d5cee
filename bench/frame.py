"""What every measurement is given, and how what it found is put together.

A measurement is a module of this package with one function::

    async def keys(job: Job) -> Keys

It returns members of ``bench/latest.json`` (nested, as ``bench/registry.py`` names them in
``FIGURES``) and runs in a process of its own, so that no measurement leaves memory, imports or open
files to the next.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

Keys: TypeAlias = dict[str, Any]
"""Members of ``bench/latest.json``: numbers, or objects of such."""
LOOP: Final = 1_000_000


@dataclass(frozen=True)
class Job:
    """One run of one measurement.

    Attributes:
        home: An empty folder, removed afterwards.
        size: Share of the full size, at most 1; figures of less are printed but not kept.
    """

    home: Path
    size: float = 1.0

    def scaled(self, full: int) -> int:
        """Return how many of something that a full run has ``full`` of; at least one."""
        return max(1, round(full * self.size))

    @staticmethod
    def say(line: str) -> None:
        """Tell a person how it goes."""
        print(f"· {line}", file=sys.stderr, flush=True)


def calibration() -> float:
    """Return how slow this machine is now: seconds for a million turns of a bare Python loop.

    The best of five, so that it tells of the machine rather than of its load.
    """
    return min(_turns() for _ in range(5))


def _turns() -> float:
    started, left = time.perf_counter(), LOOP
    while left:
        left -= 1
    return time.perf_counter() - started


@contextmanager
def circumstances(name: str) -> Iterator[Keys]:
    """Yield what is told beside a measurement: complete when it has ended.

    When it was made, how slow the machine was, and the machine's load before and after it: what
    other programs take, a clock counts as ours.
    """
    found: Keys = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "load_before": _load()}
    yield {"calibration_s": {name: round(calibration(), 4)}, "measured": {name: found}}
    found["load_after"] = _load()


def _load() -> float:
    """Return how many programs wanted a core during the last minute."""
    return round(os.getloadavg()[0], 1)


def merged(older: Mapping[str, Any], newer: Mapping[str, Any]) -> Keys:
    """Return the members of both; where both have one that is no object, the newer."""
    found = dict(older)
    for name, value in newer.items():
        before = found.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        found[name] = merged(before, value) if both else value  # type: ignore[arg-type]
    return found


def at(keys: Mapping[str, Any], path: str) -> float | None:
    """Return the number at a dotted path, None where there is none."""
    found: Any = keys
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number else None
