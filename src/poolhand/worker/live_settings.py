"""The one holder of settings that change while a worker runs; whoever needs one reads it here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from poolhand.domain.availability.preferences import Preferences
from poolhand.domain.signal import Signal
from poolhand.domain.units import Seconds
from poolhand.observe.private import write_private
from poolhand.ports.clock import Clock
from poolhand.settings.in_force import with_changes
from poolhand.settings.live_file import read_changes, write_changes
from poolhand.settings.load import BadSetting, Setting, Settings, load
from poolhand.settings.preferences import LIVE_OPTIONS, check_live, preferences_of
from poolhand.settings.worker import BY_KEY

FILE_LOOK: Final = 2.0
"""Seconds between two looks whether somebody has changed the file."""

log = structlog.get_logger()


class LiveSettings:
    """What they are now.

    Args:
        started: As the worker was started with.
        file: Where changes are kept; None, in simulations: nowhere.
        cpus: Processors that tasks can be given; None: nobody knows.

    Attributes:
        changed: Tells that another value is in force.
        problem: Why the file is not followed; None while it is.
        shortest: For which any task may compute; None until somebody has read that on chain.
    """

    def __init__(
        self, started: Settings, file: Path | None = None, cpus: int | None = None
    ) -> None:
        self._started, self._file, self._cpus = started, file, cpus
        self._seen: tuple[int, int, int] | None = None
        self._found, self._now = started, preferences_of(started, cpus)
        self.changed: Signal[[]] = Signal()
        self.problem: str | None = None
        self.shortest: Seconds | None = None

    @classmethod
    def usual(cls) -> LiveSettings:
        """Return those of an operator who has decided nothing."""
        return cls(load(LIVE_OPTIONS, {}, {}))

    @property
    def now(self) -> Preferences:
        """What holds."""
        return self._now

    def learn(self, shortest: Seconds) -> None:
        """Take note of the shortest time for which any task may compute."""
        self.shortest = shortest

    def rows(self) -> tuple[Setting, ...]:
        """Return each with its origin."""
        return self._found.rows()

    def recover(self) -> None:
        """Take up what was changed in an earlier life.

        Raises:
            BadSetting: The file cannot be read; its name is told.
        """
        if self._file is not None:
            self._seen = _stamp(self._file)
            self._take(read_changes(self._file))

    def set(self, changes: Mapping[str, str]) -> None:
        """Change some, over restarts; an empty text takes a change back.

        Raises:
            BadSetting: One cannot be read, changes only with a restart, or contradicts another;
                then nothing has changed.
        """
        check_live(changes, BY_KEY)
        kept = {} if self._file is None else read_changes(self._file)
        wanted = {key: text for key, text in {**kept, **changes}.items() if text.strip()}
        found = self._check(wanted)
        if self._file is not None:
            told = {key: text.strip() for key, text in changes.items()}
            write_changes(self._file, told, partial(write_private, lasting=True))
            self._seen = _stamp(self._file)
        self._hold(found)

    async def keep_reading(self, clock: Clock) -> None:
        """Follow the file, for ever; what cannot be read changes nothing, and is told."""
        while True:
            await clock.sleep(FILE_LOOK)
            self.look()

    def look(self) -> None:
        """Take up what somebody has written into the file since the last look."""
        if self._file is None or (stamp := _stamp(self._file)) == self._seen:
            return
        self._seen = stamp
        try:
            self._take(read_changes(self._file))
        except BadSetting as fault:
            self.problem = f"{fault}; what held before holds on"
            log.warning("settings_unread", file=str(self._file), cause=str(fault))

    def show(self) -> dict[str, Any]:
        """Show what holds, for ``GET /v1/settings``."""
        return {
            "settings": [
                {
                    "name": row.option.key,
                    "value": row.shown,
                    "is_hidden": row.option.secret and bool(row.shown),
                    "origin": row.origin,
                    "meaning": row.option.meaning,
                    "default": row.option.default,
                }
                for row in self.rows()
            ],
            "hours_a_week": round(self._now.hours_a_week, 2),
            "problem": self.problem,
        }

    def _take(self, texts: Mapping[str, str]) -> None:
        try:
            self._hold(self._check(texts))
        except BadSetting as fault:
            raise BadSetting(f"{self._file}: {fault}") from None

    def _check(self, texts: Mapping[str, str]) -> Settings:
        found = with_changes(self._started, texts)
        preferences_of(found, self._cpus, self.shortest)
        return found

    def _hold(self, found: Settings) -> None:
        before, self._found, self._now = self._now, found, preferences_of(found, self._cpus)
        self.problem = None
        if self._now != before:
            log.info("settings_changed", **{row.option.key: row.shown for row in found.rows()})
            self.changed()


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
