"""How often somebody may try something: from one address, and everybody together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import Unavailable
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.transport.plumbing import is_loopback

_ATTEMPT_WINDOW: Final = 60
"""Seconds over which tries are counted."""


class TooManyAttempts(Unavailable):
    """It was tried too often for now."""

    http_status = 429

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was tried too often in the last minute: try again in a minute")


@dataclass(frozen=True, slots=True)
class AttemptRules:
    """How many tries a minute: from one address, and in all.

    Whoever calls from this machine itself is bounded by ``in_all`` alone: behind a reverse proxy
    everybody does.
    """

    per_address: int = 10
    in_all: int = 300


class Attempts:
    """Counts tries by a clock that nobody sets; it remembers no more addresses than tries in all.

    Args:
        what: Is tried, for the refusal.
        clock: Tells the time.
        rules: How many.
    """

    def __init__(self, what: str, clock: Clock, rules: AttemptRules = AttemptRules()) -> None:
        self._what, self._clock, self._rules = what, clock, rules
        self._since = UnixSeconds(0)
        self._all = 0
        self._counts: Counter[str] = Counter()

    def take(self, address: str) -> None:
        """Count one more try; raises TooManyAttempts where it is one too many.

        Args:
            address: From where, see ``transport.waiting.neighbourhood``.
        """
        now = self._clock.steady()
        if now >= self._since + _ATTEMPT_WINDOW:
            self._since, self._all = now, 0
            self._counts.clear()
        most = self._rules.in_all if is_loopback(address) else self._rules.per_address
        if self._counts[address] >= most or self._all >= self._rules.in_all:
            raise TooManyAttempts(self._what)
        self._all += 1
        self._counts[address] += 1
