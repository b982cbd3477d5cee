"""What a library logs because of a peer does not fill our log, nor show it a traceback."""

from __future__ import annotations

import io
import logging

import pytest

from poolhand import observe
from poolhand.observe.libraries import LibraryHandler


@pytest.fixture
def library():
    """A library's logger, and the time in which it speaks."""
    now, logger = [0.0], logging.getLogger("a.library")
    logger.handlers, logger.propagate = [LibraryHandler(logging.WARNING, lambda: now[0])], False
    return logger, now


@pytest.mark.case("A4")
def test_a_fault_that_comes_again_and_again_is_told_once_a_minute_in_one_line(library):
    logger, now = library
    stream = io.StringIO()
    observe.configure(json=True, stream=stream)
    for second in range(61):
        now[0] = second
        fault = OSError(24, "Too many open files")
        logger.error("accept failed\nfor ever", exc_info=fault)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "accept failed" in lines[0]
    assert "Too many open files" in lines[0]
    assert "Traceback" not in stream.getvalue()


def test_many_different_faults_are_not_all_told(library):
    logger, _ = library
    stream = io.StringIO()
    observe.configure(json=True, stream=stream)
    for number in range(100):
        logger.warning("fault %s", number)
    assert len(stream.getvalue().splitlines()) == 8


def test_our_own_log_is_no_librarys_where_whoever_embeds_us_sends_it_to_logging():
    """Told again as a library's it would come back, and be told again."""
    stream, handler = io.StringIO(), LibraryHandler(logging.WARNING)
    observe.configure(json=True, stream=stream)
    for name in ("poolhand.client", "another.package"):
        handler.emit(logging.makeLogRecord({"name": name, "msg": name, "levelno": 30}))
    (line,) = stream.getvalue().splitlines()
    assert "another.package" in line
