"""What a worker's owner is told of wherever they are, and how often at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from poolhand.domain.units import DAY, Seconds, UnixSeconds

FIRST_NOTICE_AFTER: Final = Seconds(600)
"""What lasts for less is not told: a pool that is restarted, a line that is cut."""
PAUSE_BETWEEN_NOTICES: Final = Seconds(6 * 3_600)
"""Of one kind, while its trouble lasts or comes again."""
PAUSE_AFTER_UNBROUGHT: Final = Seconds(900)
"""Before one that has reached nobody is tried again."""
MOST_NOTICES_A_DAY: Final = 12
MOST_NOTICE_TEXT: Final = 2_000
"""Characters: a pool's words may stand in it."""


class NoticeKind(StrEnum):
    """Why somebody is told; words that never change their meaning."""

    OUT_OF_GAS = "out-of-gas"
    STAKE_LOST = "stake-lost"
    OUTDATED = "outdated"
    OFFLINE = "offline"
    NEWER_VERSION = "newer-version"
    TEST = "test"


AT_ONCE: Final = frozenset({NoticeKind.STAKE_LOST, NoticeKind.OUTDATED, NoticeKind.NEWER_VERSION})
"""What is not waited for: it does not pass by itself."""


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """Something to tell: what happened, who must act and how."""

    kind: NoticeKind
    worker: str
    text: str
    at: UnixSeconds

    @property
    def title(self) -> str:
        """Of a message or a window, in a few words."""
        return f"Poolhand worker {self.worker}: {self.kind.replace('-', ' ')}"


@dataclass(slots=True)
class NoticeBook:
    """What has been told, and since when what lasts.

    ``since``: of each trouble that lasts; ``rests``: until when nothing is told of a kind; ``day``:
    when any was told, within the last day.
    """

    since: dict[NoticeKind, UnixSeconds] = field(default_factory=dict)
    rests: dict[NoticeKind, UnixSeconds] = field(default_factory=dict)
    day: list[UnixSeconds] = field(default_factory=list)

    def due(
        self, troubles: Mapping[NoticeKind, str], now: UnixSeconds
    ) -> tuple[tuple[NoticeKind, str], ...]:
        """Note what troubles the worker now, and return what is to be told of it.

        Args:
            troubles: What is wrong, by kind, in a sentence.
            now: By a clock that only passes.
        """
        self.since = {kind: self.since.get(kind, now) for kind in troubles}
        self.day = [at for at in self.day if now - at < DAY]
        made = []
        for kind, text in troubles.items():
            if self._is_due(kind, now) and len(self.day) < MOST_NOTICES_A_DAY:
                self.rests[kind] = UnixSeconds(now + PAUSE_BETWEEN_NOTICES)
                self.day.append(now)
                made.append((kind, text))
        return tuple(made)

    def unbrought(self, kind: NoticeKind, now: UnixSeconds) -> None:
        """Note that what was due a moment ago has reached nobody: it counts for none."""
        self.day.pop()
        self.rests[kind] = UnixSeconds(now + PAUSE_AFTER_UNBROUGHT)

    def _is_due(self, kind: NoticeKind, now: UnixSeconds) -> bool:
        lasts = kind in AT_ONCE or now - self.since[kind] >= FIRST_NOTICE_AFTER
        return lasts and now >= self.rests.get(kind, now)
