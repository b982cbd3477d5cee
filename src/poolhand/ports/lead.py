"""The right to act for a pool, of which several processes may be there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from poolhand.domain.errors import EndsProgram, Unavailable


class LeadLost(EndsProgram, Unavailable):
    """Another process acts for the pool now, or may: this one writes and sends nothing more."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"this process no longer leads its pool ({why}): nothing more is written or sent by "
            "it; start it again, and it leads or stands by"
        )


@dataclass(frozen=True, slots=True)
class LeadClaim:
    """Who wants to lead: process and machine, and where workers and requesters reach it."""

    holder: str
    address: str


class Fence(Protocol):
    """Stands before whatever leaves the program."""

    def check(self) -> None:
        """Do nothing while this process leads; raises LeadLost from the moment it may not."""


class NoFence:
    """Implements ``Fence`` for programs that nobody else could act for."""

    def check(self) -> None:
        """Do nothing."""


UNFENCED: Final = NoFence()
"""One that lets everything pass."""
