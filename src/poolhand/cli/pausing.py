"""``poolhand worker pause``: for how long, and what has become of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from poolhand.cli.render import moment
from poolhand.domain.availability.moments import BadTime, parse_duration, parse_moment
from poolhand.domain.units import UnixSeconds
from poolhand.observe.time_zone import local_zone


def pause_order(reason: str, lasts: str, until: str) -> dict[str, Any]:
    """Return the order to pause.

    Args:
        reason: For the pool and the status.
        lasts: How long, as typed; empty: not told.
        until: Until when by the clock of this computer, as typed; empty: not told.

    Raises:
        BadTime: No such time, or both are told.
    """
    if lasts and until:
        raise BadTime("a pause has one end: give --for or --until, not both")
    if lasts:
        return {"reason": reason, "seconds": parse_duration(lasts)}
    if until:
        now = UnixSeconds(int(time.time()))
        return {"reason": reason, "until": parse_moment(until, now, local_zone())}
    return {"reason": reason}


def pause_report(told: Mapping[str, Any]) -> str:
    """Say that the worker is paused, and until when; one of an older version knows no end."""
    until = told.get("paused_until")
    end = "" if until is None else f" until {moment(until, int(time.time()))}"
    return f"paused{end}: {told['paused']}; what is held goes on"
