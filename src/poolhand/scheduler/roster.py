"""The workers that are connected, and what they can take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from poolhand.domain.deal import Account
from poolhand.domain.ids import Address
from poolhand.domain.reputation import NEWCOMER, Reputation
from poolhand.domain.trust import Score, Weight, worker_weight
from poolhand.domain.units import NanoRlc


@dataclass(frozen=True, slots=True)
class Seat:
    """A connected worker. ``stake`` is free, ``locked`` at risk on the hub (nRLC), as last read.

    ``slots`` and ``cpus`` are its own word, ``reputation`` is ours. ``source`` names where it
    connects from, as far as that tells one owner from another; empty where it does not.
    """

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
    reputation: Reputation = NEWCOMER
    source: str = ""
    locked: NanoRlc = NanoRlc(0)

    @property
    def weight(self) -> Weight:
        """Of its contributions."""
        return worker_weight(self.score)


def source_of(address: str) -> str:
    """Name where a worker connects from, as far as that tells one owner from another.

    A public IPv4 address, or the /64 network of an IPv6 one. What is private or local may be a
    proxy in front of the pool, so that many owners seem to come from there.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not found.is_global:
        return ""
    return str(ip_network((found, 64), strict=False) if found.version == 6 else found)


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

    def appraise(self, worker: Address, score: Score, account: Account) -> None:
        """Note what the chain says of a worker."""
        seat = self._seats.get(worker)
        if seat is not None:
            self._seats[worker] = replace(
                seat, score=score, stake=account.stake, locked=account.locked
            )

    def judged(self, worker: Address, reputation: Reputation) -> None:
        """Note what the pool now thinks of a worker."""
        seat = self._seats.get(worker)
        if seat is not None:
            self._seats[worker] = replace(seat, reputation=reputation)

    def all(self) -> tuple[Seat, ...]:
        """Return every seat, in order of arrival."""
        return tuple(self._seats.values())
