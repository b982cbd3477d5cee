"""The time zone of this computer, with its summer time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

_LOCAL: Final = Path("/etc/localtime")


def local_zone(environ: Mapping[str, str] = os.environ) -> tzinfo:
    """Return the zone that clocks of this computer show.

    ``TZ`` where that names one, as for other programs, else what ``/etc/localtime`` has; where
    neither is, as on Windows, the offset of today.
    """
    name = environ.get("TZ", "").removeprefix(":")
    if name:
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            pass  # a rule in the form of POSIX, or a mistake: as the system reads it
        return _offset_of_today()
    try:
        with _LOCAL.open("rb") as file:
            return ZoneInfo.from_file(file, key=_name())
    except (OSError, ValueError):
        return _offset_of_today()


def _name() -> str | None:
    """Return the name of the zone, where the system says so."""
    _, found, name = str(_LOCAL.resolve()).partition("zoneinfo/")
    return name if found else None


def _offset_of_today() -> tzinfo:
    return datetime.now(UTC).astimezone().tzinfo or UTC
