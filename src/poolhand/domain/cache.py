"""What a cache lets go of: what was used longest ago first, and never what is in use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from poolhand.domain.units import UnixSeconds


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Something that is kept; ``size`` in bytes."""

    used_at: UnixSeconds
    size: int


def let_go(
    entries: Mapping[str, CacheEntry], limit: int, in_use: Collection[str]
) -> tuple[str, ...]:
    """Choose what goes, so that no more than a limit is kept.

    Args:
        entries: What is kept, by name.
        limit: Bytes of all together.
        in_use: What stays, whatever it takes.
    """
    kept, gone = sum(entry.size for entry in entries.values()), list[str]()
    oldest = sorted(entries.items(), key=lambda each: (each[1].used_at, each[0]))
    for name, entry in oldest:
        if kept <= limit:
            break
        if name not in in_use:
            kept -= entry.size
            gone.append(name)
    return tuple(gone)
