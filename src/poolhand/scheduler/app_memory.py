"""What the pool remembers of apps: how they did for everybody, and for each of their buyers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poolhand.domain.app_record import UNKNOWN_APP, AppRecord, app_failed, app_ran
from poolhand.domain.ids import Address
from poolhand.domain.reputation import Reputation
from poolhand.domain.units import UnixSeconds
from poolhand.ports.journal import EventLog
from poolhand.scheduler.journaled_map import JournaledMap, MapCodec
from poolhand.scheduler.reputations import Reputations


@dataclass(frozen=True, slots=True)
class AppBuyer:
    """An app and who bought it."""

    app: Address
    buyer: Address

    def __str__(self) -> str:
        return f"{self.app}:{self.buyer}"

    @classmethod
    def parse(cls, text: str) -> AppBuyer:
        """Read what ``str`` writes; raises BadHex."""
        app, _, buyer = text.partition(":")
        return cls(Address.parse(app), Address.parse(buyer))


class AppMemory:
    """Remembers apps, and apart from that how each did for each of its buyers.

    Args:
        apps, buyers: Journals of either; None forgets at a restart.
    """

    def __init__(self, apps: EventLog | None, buyers: EventLog | None) -> None:
        self._apps = JournaledMap(apps, MapCodec(Address.parse, _encode, _decode))
        self._buyers = Reputations(buyers, AppBuyer.parse)

    def recover(self) -> None:
        """Read what was remembered."""
        self._apps.recover()
        self._buyers.recover()

    def of(self, app: Address) -> AppRecord:
        """Return what is known of an app."""
        return self._apps.get(app) or UNKNOWN_APP

    def for_buyer(self, app: Address, buyer: Address) -> Reputation:
        """Return how an app did for one buyer."""
        return self._buyers.of(AppBuyer(app, buyer))

    def works_for(self, app: Address, buyer: Address) -> bool:
        """Whether an app has run here, and has not failed for this buyer since it did for it."""
        return self.of(app).works and not self.for_buyer(app, buyer).faults

    def praise(self, app: Address, buyer: Address) -> None:
        """Remember that a task was settled."""
        before = self.of(app)
        after = app_ran(before)
        self._apps.put(app, after, durably=not before.settled or bool(before.doubters))
        self._buyers.praise(AppBuyer(app, buyer))

    def blame(self, app: Address, buyer: Address, at: UnixSeconds, *, has_paid: bool) -> None:
        """Remember that a task failed, and not through its workers."""
        before = self.of(app)
        after = app_failed(before, buyer, at, has_paid=has_paid)
        self._apps.put(app, after, durably=before != after)
        self._buyers.blame(AppBuyer(app, buyer), at)


def _encode(known: AppRecord) -> dict[str, Any]:
    return {
        "settled": known.settled,
        "doubters": [str(each) for each in known.doubters],
        "rests_until": known.rests_until,
        "payers": known.payers,
    }


def _decode(record: Mapping[str, Any]) -> AppRecord:
    """Read a record; those of before 2026-11-28 do not tell for whom it failed: it is forgiven."""
    doubters = tuple(Address.parse(each) for each in record.get("doubters", ()))
    rests_until = int(record["rests_until"]) if doubters else 0
    payers = min(int(record.get("payers", len(doubters))), len(doubters))
    return AppRecord(int(record["settled"]), doubters, UnixSeconds(rests_until), payers)
