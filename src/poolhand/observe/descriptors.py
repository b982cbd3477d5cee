"""How many files and connections this process may have open: as many as the system lets it."""

from __future__ import annotations

import resource
from typing import Final

MOST_DESCRIPTORS: Final = 65_536
"""More are of no use to one program, and slow down what starts others from it."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one; return what holds from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft
