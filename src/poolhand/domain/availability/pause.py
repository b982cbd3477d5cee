"""A pause that the operator has ordered, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poolhand.domain.units import UnixSeconds, show_moment


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing new is taken.

    Attributes:
        reason: Of the operator.
        until: When it ends by itself; None: not before the operator says so.
    """

    reason: str
    until: UnixSeconds | None = None

    def is_over(self, now: UnixSeconds) -> bool:
        """Whether it has ended by itself."""
        return self.until is not None and now >= self.until

    @property
    def sentence(self) -> str:
        """Why nothing new is taken, and until when."""
        return (
            self.reason if self.until is None else f"{self.reason}, until {show_moment(self.until)}"
        )

    def record(self) -> dict[str, Any]:
        """Return what a journal keeps of it."""
        return {"reason": self.reason, "until": self.until}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Pause:
        """Read a record; one that an earlier version wrote has no end."""
        until = record.get("until")
        return cls(str(record["reason"]), None if until is None else UnixSeconds(int(until)))
