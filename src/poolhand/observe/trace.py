"""Where a fault came from: a few frames, no values of variables, no endless text.

A renderer that shows local variables took five seconds of the event loop for one fault, and put
signatures and authorizations into the log.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Final

from poolhand.domain.text import shown


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is told.

    Attributes:
        frames: Of one fault, the innermost.
        faults: Of a chain of causes, or of a group.
        words: Characters of what a fault says.
        most: Characters in all.
    """

    frames: int
    faults: int
    words: int
    most: int


IN_LOG: Final = Bounds(frames=12, faults=6, words=300, most=16_000)
IN_FILE: Final = Bounds(frames=40, faults=12, words=2_000, most=64_000)


def trace_of(fault: BaseException, bounds: Bounds = IN_LOG) -> str:
    """Tell a fault and its causes, the outermost first; bounded, and fit for a terminal."""
    told: list[str] = []
    waiting: list[tuple[str, BaseException]] = [("", fault)]
    seen: set[int] = set()
    while waiting and len(told) < bounds.faults:
        relation, each = waiting.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            told.append(relation + _one(each, bounds))
            waiting += _behind(each, bounds.faults)
    return shown("\n".join(told), bounds.most, lines=True)


def _behind(fault: BaseException, most: int) -> list[tuple[str, BaseException]]:
    """Return what a fault comes from, each with how."""
    found = []
    if isinstance(fault, BaseExceptionGroup):
        found += [("one of them: ", each) for each in fault.exceptions[:most]]
    if fault.__cause__ is not None:
        found.append(("caused by: ", fault.__cause__))
    elif fault.__context__ is not None and not fault.__suppress_context__:
        found.append(("while handling: ", fault.__context__))
    return found


def _one(fault: BaseException, bounds: Bounds) -> str:
    frames = traceback.extract_tb(fault.__traceback__, limit=-bounds.frames)
    lines = [f"  {each.filename}:{each.lineno} in {each.name}: {each.line}" for each in frames]
    return "\n".join([f"{type(fault).__name__}: {_words(fault, bounds.words)}", *lines])


def _words(fault: BaseException, most: int) -> str:
    try:
        return shown(str(fault), most)
    except Exception as other:  # noqa: BLE001 - a fault that cannot even say what it is
        return f"(its text fails with {type(other).__name__})"
