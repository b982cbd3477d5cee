"""When a server that has too much to do wants to be asked again.

Source: RFC 9110 §10.2.3 (``Retry-After``: seconds, or a date).
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_RETRY_AFTER: Final = 24 * 3600.0
"""Seconds: nobody who says more is believed."""
BUSY_STATUSES: Final = frozenset({429, 503})
"""HTTP statuses of servers that have too much to do."""
PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request, a little later, may be answered."""


def retry_after(told: str | None, now: float) -> float:
    """Return for how many seconds to stay away; 0 when nothing sensible is told.

    Args:
        told: The header's value, if there is one.
        now: Unix seconds, which a date is compared with.
    """
    text = (told or "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now, 0.0), LONGEST_RETRY_AFTER)
