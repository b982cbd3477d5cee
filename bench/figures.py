"""Percentiles, and the lines that a person reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

STAMP = re.compile(r"^(\S+Z) \[\w+\s*\] (\w+)\s+(.*)$")


@dataclass(frozen=True)
class Sample:
    """Measurements of one thing, in its unit."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        return cls(tuple(sorted(values)))

    def at(self, share: float) -> float:
        """Return a percentile by the nearest rank."""
        rank = max(0, min(len(self.values) - 1, round(share * len(self.values) + 0.5) - 1))
        return self.values[rank]

    @property
    def p50(self) -> float:
        return self.at(0.5)

    @property
    def p95(self) -> float:
        return self.at(0.95)

    def dump(self) -> dict[str, float]:
        return {"p50": round(self.p50, 3), "p95": round(self.p95, 3), "n": len(self.values)}


@dataclass(frozen=True)
class Line:
    """One logged event of a program: when, what, and the rest of the line."""

    at: float
    event: str
    rest: str


def read_log(path: Path) -> Sequence[Line]:
    """Return the events of a program's log."""
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        match = STAMP.match(text)
        if match:
            at = datetime.fromisoformat(match[1]).timestamp()
            found.append(Line(at, match[2], match[3]))
    return found
