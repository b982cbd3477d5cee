"""What ``poolhand worker set`` is typed with, and what holds then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from poolhand.cli.render import grid
from poolhand.domain.errors import Refused
from poolhand.domain.text import shown

if TYPE_CHECKING:
    from rich.console import RenderableType


class NoChange(Refused):
    """What was typed names no setting with its value."""

    def __init__(self, typed: str) -> None:
        super().__init__(f"'{shown(typed, 60)}' is no change: write NAME=VALUE, or NAME= to undo")


def changes_of(typed: Iterable[str]) -> dict[str, str]:
    """Return settings by name.

    Raises:
        NoChange: Not all are NAME=VALUE.
    """
    made = {}
    for each in typed:
        name, equals, value = each.partition("=")
        if not name.strip() or not equals:
            raise NoChange(each)
        made[name.strip().removeprefix("--")] = value.strip()
    return made


def settings_report(told: Mapping[str, Any]) -> RenderableType:
    """Show what may be changed while a worker runs, and what it comes to."""
    from rich.console import Group
    from rich.text import Text

    rows = [(each["name"], each["value"], each["origin"]) for each in told["settings"]]
    lines = [f"with these settings it works {told['hours_a_week']:g} h a week"]
    if told["problem"]:
        lines.append(told["problem"])
    return Group(grid(("setting", "value", "from"), rows), *map(Text, lines))
