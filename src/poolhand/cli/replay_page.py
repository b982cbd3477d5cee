"""A replay for a person: each event, where the state went, and what was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.text import Text

from poolhand.cli.render import coloured, day, hour
from poolhand.cli.replay import ReplayStep, plain, status_of
from poolhand.cli.replay_words import effect_words, event_words
from poolhand.cli.tables import cell, indented

if TYPE_CHECKING:
    from rich.console import RenderableType

REPLAY_MARGIN: Final = 8
"""Columns under which the numbers of events stand."""
_LONG_BYTES: Final = re.compile(r"0x[0-9a-fA-F]{65,}")
"""More than a hash: signed transactions, results."""
_BYTES: Final = re.compile(r"0x[0-9a-fA-F]{17,}")


def replay_report(
    steps: Iterable[ReplayStep], *, details: bool, whole_state: bool
) -> RenderableType:
    """Return a line for each step, under its task; with ``details`` all that is said of it.

    With ``whole_state`` the last one's state follows in full; long bytes are shortened everywhere.
    """
    parts: list[RenderableType] = []
    last = None
    for step in steps:
        if details:
            parts += _step(step)
        else:
            parts += _brief(step, last)
        last = step
    if last is None:
        return "the journal holds no events"
    if whole_state and last.state is not None:
        parts += ["", Text(f"state after event {last.number}", style="bold")]
        parts.append(indented(_shortened(json.dumps(plain(last.state), indent=2)), 2))
    return Group(*parts)


def _brief(step: ReplayStep, former: ReplayStep | None) -> Iterator[RenderableType]:
    if former is None or former.stream != step.stream:
        yield indented(_name(step), 0, style="dim")
    if (date := _day(step)) and (former is None or date != _day(former)):
        yield Text(date, style="dim")
    at = step.record.get("at")
    clock = hour(at) if isinstance(at, int) else ""
    line = Text.assemble(f"{step.number:>6}  ", f"{clock:<8}  ", no_wrap=True, overflow="ellipsis")
    if step.fault is not None:
        line.append_text(cell(f"does not replay: {step.fault}")).stylize("red", REPLAY_MARGIN)
    elif step.event is None:
        line.append_text(cell(_members(step.record)))
    else:
        line.append_text(_arrow(step) or Text())
        asked = "; ".join(map(effect_words, step.effects))
        said = event_words(step.event) + (f"; asks to: {asked}" if asked else "")
        line.append_text(cell(_BYTES.sub(_ends, said)))
    yield line


def _name(step: ReplayStep) -> str:
    return f"task {step.task_id}" if step.task_id else step.stream


def _day(step: ReplayStep) -> str:
    at = step.record.get("at")
    return day(at) if isinstance(at, int) else ""


def _arrow(step: ReplayStep) -> Text | None:
    after = status_of(step.state)
    if after is None or after == status_of(step.before):
        return None
    return Text.assemble("-> ", coloured(after), "  ")


def _members(record: Mapping[str, Any]) -> str:
    """Tell a record that is of no story in a line; what kind it is stands first."""
    told = [
        f"{name} {each if isinstance(each, str) else json.dumps(each)}"
        for name, each in record.items()
        if name != "t"
    ]
    return _BYTES.sub(_ends, ", ".join([*([str(record["t"])] if "t" in record else []), *told]))


def _ends(found: re.Match[str]) -> str:
    return f"{found[0][:6]}…{found[0][-4:]}"


def _shortened(text: str) -> str:
    """Keep of long bytes their beginning, their end and how many there are."""
    return _LONG_BYTES.sub(
        lambda found: f"{found[0][:18]}…{found[0][-8:]} ({len(found[0]) // 2 - 1} bytes)", text
    )


def _step(step: ReplayStep) -> Iterator[RenderableType]:
    yield Text.assemble(f"{step.number:>6}  ", when(step.record), "  ", (step.name, "bold"))
    yield indented(str(step.task_id) if step.task_id else step.stream, REPLAY_MARGIN, style="dim")
    if step.fault is not None:
        yield indented(step.fault, REPLAY_MARGIN, name="does not replay", style="red")
        return
    if step.event is None:
        yield indented(_shortened(json.dumps(step.record)), REPLAY_MARGIN)
        return
    yield indented(_shortened(event_words(step.event)), REPLAY_MARGIN)
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
