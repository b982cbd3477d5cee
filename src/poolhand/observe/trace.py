"""Where a fault came from, for a log: a few frames, no values of variables, no endless text.

A renderer that shows local variables took five seconds of the event loop for one fault, and put
signatures and authorizations into the log.
"""

from __future__ import annotations

import traceback
from typing import Final

from poolhand.domain.text import shown

MOST_FRAMES: Final = 12
"""Of one fault, the innermost."""
MOST_FAULTS: Final = 6
"""Of a chain of causes, or of a group."""
MOST_WORDS: Final = 300
"""Characters of what a fault says."""


def trace_of(fault: BaseException) -> str:
    """Tell a fault and its causes, the outermost first; bounded, and fit for a terminal."""
    told: list[str] = []
    waiting: list[tuple[str, BaseException]] = [("", fault)]
    seen: set[int] = set()
    while waiting and len(told) < MOST_FAULTS:
        relation, each = waiting.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            told.append(relation + _one(each))
            waiting += _behind(each)
    return "\n".join(told)


def _behind(fault: BaseException) -> list[tuple[str, BaseException]]:
    """Return what a fault comes from, each with how."""
    found = []
    if isinstance(fault, BaseExceptionGroup):
        found += [("one of them: ", each) for each in fault.exceptions[:MOST_FAULTS]]
    if fault.__cause__ is not None:
        found.append(("caused by: ", fault.__cause__))
    elif fault.__context__ is not None and not fault.__suppress_context__:
        found.append(("while handling: ", fault.__context__))
    return found


def _one(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__, limit=-MOST_FRAMES)
    lines = [f"  {each.filename}:{each.lineno} in {each.name}: {each.line}" for each in frames]
    return "\n".join([f"{type(fault).__name__}: {_words(fault)}", *lines])


def _words(fault: BaseException) -> str:
    try:
        return shown(str(fault), MOST_WORDS)
    except Exception as other:  # noqa: BLE001 - a fault that cannot even say what it is
        return f"(its text fails with {type(other).__name__})"
