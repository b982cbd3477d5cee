"""Earnings by day as bars: where they stand in a drawing of fixed size. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

DAYS: Final = 30
"""Days that are drawn."""
BARS_WIDTH: Final = 720
HEIGHT: Final = 120
BAR_GAP: Final = 4
LEAST_BAR_HEIGHT: Final = 2
"""Height of a bar that would else not be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: its place in the drawing, and what it stands for (nRLC)."""

    day: str
    earned: int
    lost: int
    x: float
    width: float
    y: float
    height: float
    lost_height: float


@dataclass(frozen=True, slots=True)
class BarPlot:
    """A drawing: its size, its bars, what the highest stands for, and what it says in words."""

    bars: tuple[Bar, ...]
    highest: int
    width: int = BARS_WIDTH
    height: int = HEIGHT


def bars(days: Sequence[Mapping[str, Any]], last: str) -> BarPlot | None:
    """Return the drawing of some days; None where nothing was earned or lost on those drawn.

    Args:
        days: In any order, each with ``day`` (ISO 8601), ``earned`` and ``lost`` (nRLC).
        last: The last day that is drawn (ISO 8601).
    """
    end, known = date.fromisoformat(last), {each["day"]: each for each in days}
    names = [(end - timedelta(days=back)).isoformat() for back in range(DAYS - 1, -1, -1)]
    shown = [known.get(name, {"day": name, "earned": 0, "lost": 0}) for name in names]
    highest = max(max(each["earned"], each["lost"]) for each in shown)
    if not highest:
        return None
    return BarPlot(tuple(_bar(n, each, highest) for n, each in enumerate(shown)), highest)


def _bar(number: int, each: Mapping[str, Any], highest: int) -> Bar:
    width = BARS_WIDTH / DAYS - BAR_GAP
    height, lost = (_height(each[name], highest) for name in ("earned", "lost"))
    x = number * (BARS_WIDTH / DAYS) + BAR_GAP / 2
    return Bar(
        each["day"], each["earned"], each["lost"], round(x, 1), round(width, 1),
        round(HEIGHT - height, 1), height, lost,
    )  # fmt: skip


def _height(value: int, highest: int) -> float:
    return round(max(HEIGHT * value / highest, LEAST_BAR_HEIGHT), 1) if value else 0.0
