"""What was typed wrongly, in our words: those of the libraries that read it are a programmer's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from poolhand.domain.form_faults import form_fault

_SAYINGS: Final = (
    (r"Missing (?:argument|option|parameter) '?(.+?)'?\.(?: .*)?", r"\1 is missing"),
    (r"No such option: (\S+) \(Possible options: (.+)\)", r"there is no option \1; perhaps \2"),
    (r"No such option: (\S+)(?: Did you mean (.+)\?)?", r"there is no option \1"),
    (r"No such command '(.+?)'\. Did you mean (.+)\?", r"there is no command '\1'; perhaps \2"),
    (r"No such command '(.+)'\.", r"there is no command '\1'"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", r"too much was given: \1"),
    (r"Option '(.+?)' requires (?:an argument|(\d+) arguments)\.", r"\1 takes a value"),
    (r"Option '(.+?)' does not take a value\.", r"\1 takes no value"),
    (r"Argument '(.+?)' takes (\d+) values\.", r"\1 takes \2 values"),
    (r"Invalid value for '?(.+?)'?: Value (.+) is not a valid (.+)\.", r"\1 takes a \3, not \2"),
)
"""What typer 0.29 says, and what we say. Source: its ``_click`` package."""
_VALUE: Final = re.compile(r"Invalid value for (?P<what>.+?): ", re.DOTALL)


def usage_message(fault: Exception, message: str) -> str:
    """Return a sentence about what was typed.

    Args:
        fault: Of typer's; what pydantic said of a value is its cause.
        message: Typer's own words.
    """
    errors = getattr(fault.__cause__, "errors", None)
    value = _VALUE.match(message)
    if errors is not None and value is not None:
        return "; ".join(form_fault(_name(value["what"]), each) for each in _list(errors()))
    for pattern, words in _SAYINGS:
        found = re.fullmatch(pattern, message, re.DOTALL)
        if found is not None:
            return found.expand(words)
    return message


def _list(errors: Any) -> list[Mapping[str, Any]]:
    return list(errors)[:3]


def _name(hint: str) -> str:
    """Return the long name of what typer calls ``'--workers' / '-w'``."""
    return hint.split(" / ", maxsplit=1)[0].strip("'")
