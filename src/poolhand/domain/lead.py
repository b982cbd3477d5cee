"""Who leads of several processes of one pool, and when one that waits takes over.

The leader beats in the database and does nothing after a lease without a beat. Whoever waits sees
the beats and takes over after a silence that is longer than the lease: each measures with its own
clock, and none is compared with another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

PAUSE_BETWEEN_LEAD_BEATS: Final = 1.0
"""Seconds between two beats of the leader."""
LEAD_LEASE: Final = 5.0
"""Seconds from before a beat for which it lets its leader write and send: a machine with much else
to do delays beats by seconds."""
ANSWER: Final = LEAD_LEASE - PAUSE_BETWEEN_LEAD_BEATS
"""Seconds that a statement may take to be answered: what was begun before the next beat was due is
over when the lease is, so that nobody who has lost it still waits."""
LEAD_SILENCE: Final = 7.0
"""Seconds without a new beat after which the lead is taken: more than a lease by what two clocks
may drift in it, and by what a leader takes from a look at its lease to the last byte it sends."""
TAKING: Final = 600.0
"""Seconds for which a session may hold the lock before it leads: it brings the tables up."""


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
class LockSession:
    """The database's session that holds the lock without which nobody leads.

    Attributes:
        process: Number of the server's process behind it.
        is_taking: Whether it says that it does not lead yet.
        role: The role that it is of.
        is_endable: Whether ours may end it.
    """

    process: int
    is_taking: bool = False
    role: str = ""
    is_endable: bool = True


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at the database.

    Attributes:
        leader: None where there are no such rows: nobody led yet, or a program of another version.
        session: Holds the lock; None: it is free.
    """

    leader: Leader | None
    session: LockSession | None = None

    @property
    def is_held(self) -> bool:
        """Whether a session holds the lock."""
        return self.session is not None

    @property
    def is_led(self) -> bool:
        """Whether somebody took the lead and did not give it up."""
        return self.leader is not None and bool(self.leader.holder)


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
        held_since: When its session was.
    """

    seen: Sighting | None = None
    since: float = 0.0
    held_since: float = 0.0

    def look(self, sighting: Sighting, now: float) -> Watching:
        """Take a sighting; only a new beat, or a new leader, counts as a leader's sign of life."""
        is_beat = self.seen is None or self.seen.leader != sighting.leader
        is_other = self.seen is None or _process(self.seen) != _process(sighting)
        return Watching(
            sighting, now if is_beat else self.since, now if is_other else self.held_since
        )

    def decide(self, now: float) -> StandbyStep:
        """Say what to do; a dead leader's lock is free at once, its lease is not over as soon.

        A session that is new, of whoever was faster than us, is none that is silent; and whoever
        has not led yet beats only once it has brought the tables up.
        """
        if self.seen is None or (self.seen.is_led and now - self.since < LEAD_SILENCE):
            return StandbyStep.WAIT
        session = self.seen.session
        if session is None:
            return StandbyStep.TAKE
        longest = TAKING if session.is_taking or not self.seen.is_led else LEAD_SILENCE
        return StandbyStep.END if now - self.held_since >= longest else StandbyStep.WAIT


def _process(seen: Sighting) -> int | None:
    return seen.session.process if seen.session else None


def leads(beaten: float, now: float) -> bool:
    """Whether a beat that was begun at a time still lets its leader act."""
    return now - beaten < LEAD_LEASE
