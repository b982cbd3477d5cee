"""The workers that are connected, and what they can take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from poolhand.domain.ids import Address
from poolhand.domain.trust import Score, Weight, worker_weight
from poolhand.domain.units import NanoRlc


@dataclass(frozen=True, slots=True)
class Seat:
    """A connected worker. ``stake`` is its free stake on the hub (nRLC) when last read."""

    worker: Address
    name: str
    version: str
    cpus: int
    slots: int
    gpu: bool
    tee: tuple[str, ...]
    score: Score = Score(0)
    stake: NanoRlc = NanoRlc(0)
    paused: bool = False
    reason: str | None = None

    @property
    def weight(self) -> Weight:
        """Of its contributions."""
        return worker_weight(self.score)


class Roster:
    """Seats by worker."""

    def __init__(self) -> None:
        self._seats: dict[Address, Seat] = {}

    def seat(self, seat: Seat) -> None:
        """Add or replace a worker."""
        self._seats[seat.worker] = seat

    def leave(self, worker: Address) -> None:
        """Remove a worker; repeatable."""
        self._seats.pop(worker, None)

    def get(self, worker: Address) -> Seat | None:
        """Return a connected worker."""
        return self._seats.get(worker)

    def pause(self, worker: Address, *, paused: bool, reason: str | None) -> bool:
        """Note that a worker takes nothing, or again takes something; True when that is news."""
        seat = self._seats.get(worker)
        if seat is None or (seat.paused, seat.reason) == (paused, reason):
            return False
        self._seats[worker] = replace(seat, paused=paused, reason=reason)
        return True

    def appraise(self, worker: Address, score: Score, stake: NanoRlc) -> None:
        """Note what the chain says of a worker."""
        seat = self._seats.get(worker)
        if seat is not None:
            self._seats[worker] = replace(seat, score=score, stake=stake)

    def all(self) -> tuple[Seat, ...]:
        """Return every seat, in order of arrival."""
        return tuple(self._seats.values())
