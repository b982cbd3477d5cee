"""What every long-running program does first."""

from __future__ import annotations

import os
from typing import Final

from poolhand.observe.descriptors import raise_descriptor_limit
from poolhand.observe.recursion import guard_recursion

UMASK: Final = 0o077
"""What is made without a word about its mode is its owner's alone."""


def begin_program() -> None:
    """Set up the process: its files private, its recursion bounded, its descriptors many."""
    os.umask(UMASK)
    guard_recursion()
    raise_descriptor_limit()
