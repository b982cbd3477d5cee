"""Faults out of groups of tasks: what one task raised is what the caller wants to see."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from poolhand.domain.errors import PoolhandError

T = TypeVar("T")


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


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all give, in their order; the first fault ends the others and is raised.

    For whoever goes on after a fault. A ``TaskGroup`` leaves its owner asked to cancel when a task
    fails while it waits for them at its end (CPython gh-116720, before 3.13), and Python 3.11.2,
    which Debian 12 has, then takes the next ``asyncio.timeout`` of that owner for a cancellation.
    """
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found
