"""Logs: events in the past tense with bound keys, for people or for machines, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from itertools import islice
from typing import Any, Final, TextIO

import structlog

from poolhand.domain.text import shown
from poolhand.observe.libraries import take_over
from poolhand.observe.log_lines import LogLines
from poolhand.observe.traces import trace_of, without_logins

_SECRET: Final = re.compile(r"password|private|secret|signature|authorization", re.IGNORECASE)
MAX_VALUE: Final = 2_000
"""Characters of one logged value."""
MAX_ITEMS: Final = 50
"""Items of a list or mapping that are logged."""
MAX_LOG_DEPTH: Final = 3
"""Levels of lists and mappings within one another."""


def configure(
    *,
    json: bool = False,
    level: str = "info",
    stream: TextIO | None = None,
    sentences: bool = False,
) -> None:
    """Set up logging for a program; called once, by its composition root.

    Args:
        json: One JSON object per line instead of aligned text.
        level: Least level written: debug, info, warning, error.
        stream: Where to; standard error when None, for standard output belongs to results.
        sentences: Write what happened for who typed a verb, without keys and times.
    """
    target = stream or sys.stderr
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(
            colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    renderer = _sentence if sentences else renderer
    least = logging.getLevelNamesMapping()[level.upper()]
    lines = LogLines(lambda: stream or sys.stderr)
    logger = structlog.PrintLogger(lines)  # type: ignore[arg-type]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            lines.tell_lost,
            _guard,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
    take_over(least)


def configure_as_library() -> None:
    """Let what is logged go where the logging of the program goes that imports us.

    It is told by ``logging``, by names below ``poolhand``: Python shows warnings by default, on
    standard error. A program that has configured structlog keeps what it configured.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            _guard,
            structlog.processors.KeyValueRenderer(key_order=["event"], repr_native_str=False),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _sentence(_: Any, level: str, event: MutableMapping[str, Any]) -> str:
    """Write a log line as a person at a terminal reads it."""
    what = str(event["event"]).replace("_", " ")
    cause, acts, then = (event.get(key) for key in ("cause", "acts", "next_step"))
    what += f" {event['name']}" if "name" in event else ""
    told = f"{level}: {what}" + (f": {cause}" if cause else "")
    told += f" ({acts}: {then})" if acts and then else ""
    return told + (f"\n{event['exception']}" if "exception" in event else "")


def _guard(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets, escape what commands or hides, cut what is long: values come from strangers."""
    given = event.pop("exc_info", None)
    fault = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    for key, value in event.items():
        event[key] = "***" if _SECRET.search(key) else _clean(value)
    if fault is not None:
        event["exception"] = trace_of(fault)
    return event


def _clean(value: Any, depth: int = 0) -> Any:
    """Return a value of a log line: a number as it is, what holds others cleaned within."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < MAX_LOG_DEPTH:
        some = islice(value.items(), MAX_ITEMS)
        return {
            _clean(key, depth): "***" if _SECRET.search(str(key)) else _clean(each, depth + 1)
            for key, each in some
        }
    if isinstance(value, list | tuple | set | frozenset) and depth < MAX_LOG_DEPTH:
        return [_clean(each, depth + 1) for each in islice(value, MAX_ITEMS)]
    return shown(without_logins(str(value)[: 2 * MAX_VALUE]), MAX_VALUE)
