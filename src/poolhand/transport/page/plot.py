"""Earnings by day as bars. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from poolhand.transport.page.bars import Bar, BarPlot, bars
from poolhand.transport.page.words import amount


def plot(days: Sequence[Mapping[str, Any]], today: str) -> str:
    """Draw what was earned and lost on each of the last days; nothing where nothing was.

    Args:
        days: With ``day`` (ISO 8601), ``earned`` and ``lost`` (nRLC).
        today: The last day that is drawn (ISO 8601).
    """
    found = bars(days, today)
    if found is None:
        return ""
    drawn = "".join(_bar(found, each) for each in found.bars)
    highest = amount(found.highest)
    return (
        f'<figure class="plot"><svg viewBox="0 0 {found.width} {found.height}" role="img" '
        f'aria-labelledby="plot-says" preserveAspectRatio="none"><title id="plot-says">Earned and '
        f"lost by day over {len(found.bars)} days; the highest day is {highest}. The table has the "
        f'numbers.</title><line class="ground" x1="0" y1="{found.height}" x2="{found.width}" '
        f'y2="{found.height}"></line>{drawn}</svg><figcaption><time>{found.bars[0].day}</time>'
        f"<span>highest day {highest}</span><time>{found.bars[-1].day}</time></figcaption></figure>"
    )


def _bar(plot: BarPlot, bar: Bar) -> str:
    """Draw a day: what was lost stands before what was earned, and is narrower."""
    parts = ""
    if bar.earned:
        parts += _rect("earned", bar.day, bar.earned, bar.x, bar.y, bar.width, bar.height)
    if bar.lost:
        x, y = bar.x + bar.width * 0.3, plot.height - bar.lost_height
        parts += _rect("lost", bar.day, bar.lost, x, y, bar.width * 0.4, bar.lost_height)
    return parts


def _rect(kind: str, day: str, value: int, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="2"><title>{day}: {kind} {amount(value)}</title></rect>'
    )
