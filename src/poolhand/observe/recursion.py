"""Python's recursion limit, put back to where nested JSON of strangers is an error, not a crash."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LIMIT: Final = 1_000


def guard_recursion() -> None:
    """Undo what an import did: ``eth_account`` raises the limit until the C stack overflows."""
    sys.setrecursionlimit(LIMIT)


@contextmanager
def recursion_kept() -> Iterator[None]:
    """Leave the limit as it was, around an import that comes after ``guard_recursion``."""
    before = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
