"""Who leads of several processes of one pool, and when one that waits takes over.

The leader beats in the database and does nothing after a lease without a beat. Whoever waits sees
the beats and takes over after a silence that is longer than the lease: each measures with its own
clock, and none is compared with another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

BEAT: Final = 1.0
"""Seconds between two beats of the leader."""
LEASE: Final = 5.0
"""Seconds from before a beat for which it lets its leader write and send: a machine with much else
to do delays beats by seconds."""
SILENCE: Final = 7.0
"""Seconds without a new beat after which the lead is taken: more than a lease by what two clocks
may drift in it, and by what a leader takes from a look at its lease to the last byte it sends."""


@dataclass(frozen=True, slots=True)
class Leader:
    """What the database says of who leads.

    Attributes:
        epoch: Counts who took the lead.
        holder: The leader's process, for a person; empty: it resigned, and does nothing more.
        address: Where it is reached.
        beats: Counts its signs of life.
    """

    epoch: int
    holder: str
    address: str
    beats: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at the database.

    Attributes:
        leader: None where there are no such rows: nobody led yet, or a program of another version.
        is_held: Whether a session holds the lock without which nobody leads.
    """

    leader: Leader | None
    is_held: bool


class StandbyStep(Enum):
    """What whoever waits does next."""

    WAIT = auto()
    END = auto()
    """End the session that holds the lock and shows no sign of life."""
    TAKE = auto()
    """Take the lead."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What one that waits has seen.

    Attributes:
        seen: The newest sighting, None before the first.
        since: When its beat was seen for the first time (seconds of the own clock).
    """

    seen: Sighting | None = None
    since: float = 0.0

    def look(self, sighting: Sighting, now: float) -> Watching:
        """Take a sighting; only a new beat, or a new leader, counts as a sign of life."""
        is_new = self.seen is None or self.seen.leader != sighting.leader
        return Watching(sighting, now if is_new else self.since)

    def decide(self, now: float) -> StandbyStep:
        """Say what to do; a dead leader's lock is free at once, its lease is not over as soon."""
        if self.seen is None:
            return StandbyStep.WAIT
        leader, is_held = self.seen.leader, self.seen.is_held
        if leader is None or not leader.holder:
            return StandbyStep.WAIT if is_held else StandbyStep.TAKE
        if now - self.since < SILENCE:
            return StandbyStep.WAIT
        return StandbyStep.END if is_held else StandbyStep.TAKE


def leads(beaten: float, now: float) -> bool:
    """Whether a beat that was begun at a time still lets its leader act."""
    return now - beaten < LEASE
