"""What could be read of what was asked for, and why the rest could not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from poolhand.domain.errors import ChainUnreachable

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)


class Partial(Mapping[K, V_co]):
    """Answers by name, some of which may be missing.

    As a mapping it is whole or raises ChainUnreachable, so that nobody takes a part for all there
    is; one answer of it raises where that very one is missing. Who can use a part takes ``found``.

    Attributes:
        found: What was answered.
        failed: The names without an answer, each with the reason.
    """

    def __init__(self, found: Mapping[K, V_co], failed: Mapping[K, str] | None = None) -> None:
        self.found, self.failed = found, failed or {}

    def __getitem__(self, name: K) -> V_co:
        """Return one answer; raises ChainUnreachable where it is missing."""
        if name in self.failed:
            raise ChainUnreachable(f"{name} cannot be read: {self.failed[name]}")
        return self.found[name]

    def __iter__(self) -> Iterator[K]:
        """Yield the names; raises ChainUnreachable unless all were answered."""
        self.check()
        return iter(self.found)

    def __len__(self) -> int:
        """Return how many were answered; raises ChainUnreachable unless all were."""
        self.check()
        return len(self.found)

    def __repr__(self) -> str:
        """Tell both parts."""
        return f"Partial({self.found!r}, {self.failed!r})"

    def check(self) -> None:
        """Raise ChainUnreachable unless all were answered."""
        for name, why in self.failed.items():
            others = len(self.failed) - 1
            more = f", and {others} others cannot" if others else ""
            raise ChainUnreachable(f"{name} cannot be read{more}: {why}")
