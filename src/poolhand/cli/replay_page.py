"""A replay for a person: each event, where the state went, and what was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.text import Text

from poolhand.cli.render import coloured, day, hour
from poolhand.cli.replay import ReplayStep, plain, status_of
from poolhand.cli.replay_words import effect_words, event_words
from poolhand.cli.tables import indented

if TYPE_CHECKING:
    from rich.console import RenderableType

REPLAY_MARGIN: Final = 8
"""Columns under which the numbers of events stand."""


def replay_report(steps: Iterable[ReplayStep], *, whole_state: bool) -> RenderableType:
    """Return steps line by line; with ``whole_state`` the last one's state in full."""
    parts: list[RenderableType] = []
    last = None
    for step in steps:
        parts += _step(step)
        last = step
    if last is None:
        return "the journal holds no events"
    if whole_state and last.state is not None:
        parts += ["", Text(f"state after event {last.number}", style="bold")]
        parts.append(indented(json.dumps(plain(last.state), indent=2), 2))
    return Group(*parts)


def _step(step: ReplayStep) -> Iterator[RenderableType]:
    yield Text.assemble(f"{step.number:>6}  ", when(step.record), "  ", (step.name, "bold"))
    yield indented(str(step.task_id) if step.task_id else step.stream, REPLAY_MARGIN, style="dim")
    if step.fault is not None:
        yield indented(step.fault, REPLAY_MARGIN, name="does not replay", style="red")
        return
    if step.event is None:
        yield indented(json.dumps(step.record), REPLAY_MARGIN)
        return
    yield indented(event_words(step.event), REPLAY_MARGIN)
    if (moved := _moved(step)) is not None:
        yield moved
    for effect in step.effects:
        yield indented(effect_words(effect), REPLAY_MARGIN, name="asks to")


def _moved(step: ReplayStep) -> Text | None:
    """Return where the status went; None where it stayed."""
    before, after = status_of(step.before), status_of(step.state)
    if before == after or after is None:
        return None
    start = [coloured(before), " -> "] if before else ["-> "]
    return Text.assemble(" " * REPLAY_MARGIN, *start, coloured(after))


def when(record: Mapping[str, Any]) -> str:
    """Return the time of a record (UTC); empty where it has none."""
    at = record.get("at")
    return f"{day(at)} {hour(at)}" if isinstance(at, int) else ""
