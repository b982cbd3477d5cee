"""Troubles that last, told without filling the log: when they begin, now and then, and their end.

A program that retries every second or two fails as often; whoever reads its log wants to know since
when, why, who must act, and when it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal

import structlog

SAME_CAUSE_QUIET: Final = 60.0
"""Seconds in which the same cause is not told again."""
MOST_OUTAGE_CAUSES: Final = 8
"""Causes told in that time: some carry numbers and are new every time."""
ADVICE: Final = frozenset({"acts", "next_step"})
"""Facts that say who must do what, and are not told when it is over."""

log = structlog.get_logger()


class OutageLog:
    """One trouble of one owner.

    What comes back within the minute is not a new trouble worth a line: it is told when the minute
    is over, if it still lasts.

    Args:
        event: Logged while it lasts.
        ended: Logged when it is over, at level info.
        clock: Seconds since whenever, never turned back.
        level: Of ``event``.
        facts: Logged with both; ``acts`` and ``next_step`` with ``event`` alone.

    Attributes:
        cause: Why, while it lasts; else empty.
    """

    def __init__(
        self,
        event: str,
        ended: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        level: Literal["info", "warning"] = "warning",
        **facts: object,
    ) -> None:
        self._event, self._ended, self._facts = event, ended, facts
        self._clock, self._level = clock, level
        self.cause = ""
        self._began: float | None = None
        self._lasted = 0.0
        self._is_told = False
        self._told: dict[str, float] = {}

    def tell(self, cause: object, **facts: object) -> None:
        """Note that the trouble is there, or still there; a cause that is new is told at once."""
        now, why = self._clock(), str(cause)
        self.cause = why
        self._began = now if self._began is None else self._began
        self._lasted = now - self._began
        self._told = {each: at for each, at in self._told.items() if now < at + SAME_CAUSE_QUIET}
        if why in self._told or len(self._told) >= MOST_OUTAGE_CAUSES:
            return
        self._told[why], self._is_told = now, True
        told = {"cause": why, **self._facts, **facts, "seconds": round(self._lasted)}
        getattr(log, self._level)(self._event, **told)

    def over(self) -> None:
        """Note that all is well; cheap, and says something only if the trouble was told.

        The ``seconds`` logged reach up to the last failure: success may take long to show.
        """
        if self._is_told:
            log.info(self._ended, seconds=round(self._lasted), **self._about())
        self._began, self._is_told, self.cause = None, False, ""

    def _about(self) -> dict[str, object]:
        """What it is about, without what there is to do."""
        return {name: fact for name, fact in self._facts.items() if name not in ADVICE}
