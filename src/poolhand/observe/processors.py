"""The processors of this computer that this process may use."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """Return how many CPUs this process may use: all, where the system keeps no list of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
