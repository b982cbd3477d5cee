"""Who broke the protocol lately, and for how long it stays outside for it.

A wallet that breaks a session's rules is barred at once; garbage in a session is forgiven twice.
Each further strike doubles the time, and a wallet that keeps quiet for an hour starts anew: a bug
costs its owner minutes, a flood gets one burst an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.ranking import Ranking
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.wire.handshake import WorkerBarred

MOST_STRIKES: Final = 3
"""Strikes at which a wallet is barred; breaking a session's rules counts for all of them."""
FIRST_BAR: Final = Seconds(30)
"""Time outside at the first bar; doubles with each further strike."""
LONGEST_BAR: Final = Seconds(3600)
"""The most that one strike costs."""
STRIKES_FORGOTTEN_AFTER: Final = Seconds(3600)
"""Time without a strike, once let in again, after which all is forgotten."""
MOST_WALLETS_KNOWN: Final = 10_000
"""Wallets remembered; then whoever would be forgotten first makes room: a wallet costs nothing."""


@dataclass(frozen=True, slots=True)
class _Record:
    strikes: int
    until: UnixSeconds
    cause: str


class Conduct:
    """Counts strikes per wallet, of the ``MOST_WALLETS_KNOWN`` that are remembered for longest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[Address, _Record] = {}
        self._ends: Ranking[Address] = Ranking()

    def strike(self, worker: Address, cause: str) -> bool:
        """Count one garbage message of a proven wallet; True when that bars it."""
        return self._count(worker, cause, least=1)

    def bar(self, worker: Address, cause: str) -> None:
        """Bar a proven wallet at once: it broke the rules of its session."""
        self._count(worker, cause, least=MOST_STRIKES)

    def barred_for(self, worker: Address) -> Seconds:
        """Return how long a wallet still stays outside, 0 when it may come."""
        known = self._records.get(worker)
        return Seconds(max(0, known.until - self._clock.steady()) if known else 0)

    def check(self, worker: Address) -> None:
        """Let a wallet pass.

        Raises:
            WorkerBarred: It stays outside for a while.
        """
        left = self.barred_for(worker)
        if left:
            raise WorkerBarred(self._records[worker].cause, left)

    def _count(self, worker: Address, cause: str, least: int) -> bool:
        now = self._clock.steady()
        self._forget(now)
        known = self._records.get(worker)
        strikes = max(known.strikes + 1 if known else 1, least)
        excess = strikes - MOST_STRIKES
        outside = min(FIRST_BAR * 2 ** min(excess, 16), LONGEST_BAR) if excess >= 0 else 0
        until = UnixSeconds(now + outside)
        self._records[worker] = _Record(strikes, until, cause)
        self._ends.put(worker, (until + STRIKES_FORGOTTEN_AFTER,))
        if len(self._records) > MOST_WALLETS_KNOWN:
            self._drop_first()
        return outside > 0

    def _forget(self, now: UnixSeconds) -> None:
        for worker in self._ends.due((now,)):
            del self._records[worker]

    def _drop_first(self) -> None:
        first = self._ends.first()
        if first is not None:
            self._ends.drop(first)
            del self._records[first]
