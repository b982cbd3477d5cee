"""What the pool remembers of wallets, over restarts and within bounds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any, Generic, TypeVar

from poolhand.domain.reputation import NEWCOMER, VOUCHED, Reputation, blamed, passed, praised
from poolhand.domain.units import UnixSeconds
from poolhand.ports.journal import EventLog
from poolhand.scheduler.journaled_map import MOST_KEYS_KNOWN, JournaledMap, MapCodec

W = TypeVar("W")


class Reputations(Generic[W]):
    """Reputations by whose they are; only what matters to a decision is written down.

    Args:
        journal: Of one stream each; None forgets at a restart.
        read: Reads whose one is from ``str`` of it.
        vouched: For whom the owner gives its word: they begin as if proved.
        tolerated: Faults in a row that cost nobody a turn.
        most: How many are remembered.
    """

    def __init__(
        self,
        journal: EventLog | None,
        read: Callable[[str], W],
        vouched: Collection[W] = (),
        tolerated: int = 0,
        most: int = MOST_KEYS_KNOWN,
    ) -> None:
        self._known = JournaledMap(journal, MapCodec(read, _encode, _decode), most)
        self._vouched, self._tolerated = frozenset(vouched), tolerated

    def recover(self) -> None:
        """Read what was remembered."""
        self._known.recover()

    def of(self, who: W) -> Reputation:
        """Return what is known of one."""
        first = VOUCHED if who in self._vouched else NEWCOMER
        return self._known.get(who) or first

    def praise(self, who: W) -> Reputation:
        """Remember that a task was settled."""
        return self._remember(who, praised(self.of(who)))

    def blame(self, who: W, at: UnixSeconds) -> Reputation:
        """Remember a fault."""
        return self._remember(who, blamed(self.of(who), at, self._tolerated))

    def pass_by(self, who: W, at: UnixSeconds) -> Reputation:
        """Remember that something was declined by choice: for a moment, and not over restarts."""
        now = passed(self.of(who), at)
        self._known.put(who, now, durably=False)
        return now

    def _remember(self, who: W, now: Reputation) -> Reputation:
        self._known.put(who, now, durably=_decides(self.of(who)) != _decides(now))
        return now


def _decides(known: Reputation) -> tuple[bool, int, int, int]:
    return known.settled > 0, known.faults, known.credit, known.rests_until


def _encode(known: Reputation) -> dict[str, Any]:
    return asdict(known)


def _decode(record: Mapping[str, Any]) -> Reputation:
    return Reputation(
        int(record["settled"]),
        int(record["faults"]),
        int(record["credit"]),
        UnixSeconds(int(record["rests_until"])),
    )
