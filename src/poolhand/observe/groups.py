"""Faults out of task groups: what one task raised is what the caller wants to see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from poolhand.domain.errors import PoolhandError


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise the one ``PoolhandError`` of an exception group instead of the group.

    A group with anything else in it is raised as it is: that is a bug, and its traces matter.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = _leaves(group)
        if all(isinstance(leaf, PoolhandError) for leaf in leaves):
            raise leaves[0] from None
        raise


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found
