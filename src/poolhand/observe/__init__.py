"""Logs: events in the past tense with bound keys, for people or for machines, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

_SECRET: Final = re.compile(r"password|private|secret|signature|authorization", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
MAX_VALUE: Final = 2_000
"""Characters of one logged value."""


def configure(*, json: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for a program; called once, by its composition root.

    Args:
        json: One JSON object per line instead of aligned text.
        level: Least level written: debug, info, warning, error.
        stream: Where to; standard error when None, for standard output belongs to results.
    """
    target = stream or sys.stderr
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=target.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _guard,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def _guard(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets, escape control characters and cut what is long: values come from strangers."""
    for key, value in event.items():
        if _SECRET.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            clean = _CONTROL.sub(lambda found: repr(found[0])[1:-1], value)
            event[key] = clean if len(clean) <= MAX_VALUE else clean[:MAX_VALUE] + "…"
    return event
