"""How many examples a property is tried with: more, where time is no object (``make nightly``)."""

from __future__ import annotations

import os

TIMES = int(os.environ.get("POOLHAND_EXAMPLES_TIMES", "1"))


def examples(count: int) -> int:
    """Return how many to try where every change tries so many."""
    return count * TIMES
