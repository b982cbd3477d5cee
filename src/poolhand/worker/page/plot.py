"""Earnings by day as bars. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from poolhand.worker.page.words import rlc

DAYS: Final = 30
"""Days that are drawn, today's the last."""
WIDTH: Final = 720
HEIGHT: Final = 120
GAP: Final = 4
LEAST: Final = 2
"""Height of a bar that would else not be seen."""


def plot(days: Sequence[Mapping[str, Any]], today: str) -> str:
    """Draw what was earned and lost on each of the last days; nothing where nothing was.

    Args:
        days: With ``day`` (ISO 8601), ``earned_nrlc`` and ``lost_nrlc``.
        today: The last day that is drawn (ISO 8601).
    """
    last = date.fromisoformat(today)
    names = [(last - timedelta(days=back)).isoformat() for back in range(DAYS - 1, -1, -1)]
    known = {each["day"]: each for each in days}
    highest = max(
        (
            max(known[name]["earned_nrlc"], known[name]["lost_nrlc"])
            for name in names
            if name in known
        ),
        default=0,
    )
    if not highest:
        return ""
    bars = "".join(_bars(n, known[name], highest) for n, name in enumerate(names) if name in known)
    return (
        f'<figure class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="plot-says" preserveAspectRatio="none"><title id="plot-says">Earned and '
        f"lost by day over {DAYS} days; the highest day is {rlc(highest)}. The table has the "
        f'numbers.</title><line class="ground" x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}">'
        f"</line>{bars}</svg><figcaption><time>{names[0]}</time><span>highest day {rlc(highest)}"
        f"</span><time>{names[-1]}</time></figcaption></figure>"
    )


def _bars(number: int, each: Mapping[str, Any], highest: int) -> str:
    width, x = WIDTH / DAYS - GAP, number * (WIDTH / DAYS) + GAP / 2
    earned = _bar("earned", each, "earned_nrlc", highest, x, width)
    return earned + _bar("lost", each, "lost_nrlc", highest, x + width * 0.3, width * 0.4)


def _bar(
    kind: str, each: Mapping[str, Any], member: str, highest: int, x: float, width: float
) -> str:
    amount = each[member]
    if not amount:
        return ""
    height = max(HEIGHT * amount / highest, LEAST)
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{HEIGHT - height:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="2"><title>{each["day"]}: {kind} {rlc(amount)}</title></rect>'
    )
