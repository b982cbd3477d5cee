"""Says that something has happened: who tells does not know who hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Signal(Generic[P]):
    """Called by its owner; listeners are called at once, in the order in which they connected.

    Who depends on the owner connects where it is made. So dependencies point one way, and nothing
    has to be assigned to an object once it is whole.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[P, None]] = []

    def connect(self, listener: Callable[P, None]) -> None:
        """Have a listener called from now on."""
        self._listeners.append(listener)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell every listener; what one raises is raised, and the later ones are not told."""
        for listener in self._listeners:
            listener(*args, **kwargs)
