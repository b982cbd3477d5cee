"""Python's recursion limit, put back to where nested JSON of strangers is an error, not a crash."""

from __future__ import annotations

import sys
from typing import Final

RECURSION_LIMIT: Final = 1_000


def guard_recursion() -> None:
    """Undo what an import did: ``eth_account`` raises the limit until the C stack overflows."""
    sys.setrecursionlimit(RECURSION_LIMIT)
