"""Imports that are put off because they are slow, without what they do on the side.

Apart from ``observe.recursion``, whose package loads the log that a quick verb does without.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def recursion_kept() -> Iterator[None]:
    """Leave the limit as it was, around an import that comes after ``guard_recursion``."""
    before = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
