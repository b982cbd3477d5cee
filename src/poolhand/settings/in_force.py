"""A worker's settings with what was changed of them while it ran."""

from __future__ import annotations

from collections.abc import Mapping

from poolhand.settings.home import at_home
from poolhand.settings.live_file import read_changes
from poolhand.settings.load import BadSetting, Settings
from poolhand.settings.preferences import CHANGES_FILE, check_live
from poolhand.settings.worker import BY_KEY


def with_changes(started: Settings, changes: Mapping[str, str]) -> Settings:
    """Return a worker's settings with what was changed of it while it ran.

    Raises:
        BadSetting: One cannot be read, or is read at the start alone.
    """
    check_live(changes, BY_KEY)
    return started.changed(changes, "changed while it runs")


def settings_in_force(found: Settings) -> Settings:
    """Return what a worker that is started so would go by: its folder may hold changes of it.

    Raises:
        BadSetting: That file cannot be read.
    """
    file = at_home(found["base-dir"]) / found["name"] / CHANGES_FILE
    changes = read_changes(file)
    try:
        return with_changes(found, changes)
    except BadSetting as fault:
        raise BadSetting(f"{file}: {fault}") from None
