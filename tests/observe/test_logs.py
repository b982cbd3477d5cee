"""What is logged can be shown to anybody; what is imported leaves Python's limits as they were."""

import errno
import io
import json
import logging
import sys
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from poolhand import observe
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.text import is_plain
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, Wei
from poolhand.keys.wallet import Wallet
from poolhand.observe.libraries import LibraryHandler
from poolhand.observe.recursion import RECURSION_LIMIT, guard_recursion
from poolhand.observe.traces import trace_of


@pytest.fixture
def logged():
    """Log into a stream, and leave the set-up as it was."""
    stream = io.StringIO()
    observe.configure(json=True, level="info", stream=stream)
    yield stream
    structlog.reset_defaults()


@pytest.mark.parametrize("key", ["password", "wallet_password", "private_key", "signature"])
def test_a_secret_is_masked_whatever_it_is(logged, key):
    structlog.get_logger().info("opened", **{key: "sesame"})
    assert "sesame" not in logged.getvalue()
    assert "***" in logged.getvalue()


def test_control_characters_and_long_values_of_strangers_do_no_harm(logged):
    structlog.get_logger().info("told", cause="\x1b[2Jgone\r" + "x" * 10_000)
    line = logged.getvalue()
    assert "\x1b" not in line
    assert "\\u001b" not in line
    assert len(line) < 2 * observe.MAX_VALUE


@pytest.fixture(params=[True, False], ids=["json", "text"])
def lines(request):
    """Log into a stream in either form, and leave the set-up as it was."""
    stream = io.StringIO()
    observe.configure(json=request.param, level="info", stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = [
        each for each in logging.getLogger().handlers if not isinstance(each, LibraryHandler)
    ]


class FullDisk(io.StringIO):
    """A stream without room, for a while."""

    full = True

    def write(self, text):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


@pytest.mark.parametrize("refused", ["write", "flush"])
def test_a_log_without_room_ends_nobodys_work_and_says_later_what_was_lost(refused):
    stream = FullDisk() if refused == "write" else BrokenPipe()
    observe.configure(json=True, stream=stream)
    try:
        for _ in range(3):
            structlog.get_logger().error("journal_full")
        stream.full = False
        structlog.get_logger().info("goes_on")
        structlog.get_logger().info("as_before")
    finally:
        structlog.reset_defaults()
    *_, first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["lost_lines"]) == ("goes_on", 3)
    assert second["event"] == "as_before"
    assert "lost_lines" not in second


class BrokenPipe(io.StringIO):
    """A stream that takes lines and cannot hand them on, for a while."""

    full = True

    def flush(self):
        if self.full:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def fail_deep(secret, depth=50):
    if depth:
        fail_deep(secret, depth - 1)
    raise ValueError("\x1b[2J\ud800" + "x" * 100_000)


def failure(secret="sesame-of-the-caller"):
    try:
        try:
            fail_deep(secret)
        except ValueError as fault:
            raise RuntimeError("outer") from fault
    except RuntimeError as fault:
        return fault


@pytest.mark.case("A6")
def test_a_trace_is_short_and_shows_no_variables(lines):
    structlog.get_logger().error("request_crashed", exc_info=failure())
    told = lines.getvalue()
    assert "RuntimeError: outer" in told
    assert "caused by: ValueError: " in told
    assert "in fail_deep" in told
    assert "sesame" not in told
    assert len(told) < 6_000
    told.encode()
    assert "\x1b" not in told


@pytest.mark.case("A6")
def test_a_trace_is_made_at_once_whatever_the_fault_carries():
    def nest(depth):
        return nest(depth - 1) if depth else 1 / 0

    fault = None
    for _ in range(200):
        try:
            nest(500)
        except ZeroDivisionError as found:
            found.__context__ = fault
            fault = found
    group = BaseExceptionGroup("all", [fault] * 1_000)
    began = time.process_time()
    assert len(trace_of(group)) < 20_000
    assert time.process_time() - began < 0.5


@pytest.mark.case("N3", "A6")
def test_what_a_library_says_goes_through_the_same_guard(lines):
    logging.getLogger("uvicorn.error").error("bad \x1b[2J\ud800 frame", exc_info=failure())
    logging.getLogger("asyncio").debug("small talk")
    told = lines.getvalue()
    assert "library_spoke" in told
    assert "uvicorn.error" in told
    assert "small talk" not in told
    assert "sesame" not in told
    told.encode()
    assert "\x1b" not in told


HOSTILE = st.recursive(
    st.text(st.characters(codec=None), max_size=30) | st.binary(max_size=9) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(HOSTILE, st.booleans())
def test_whatever_is_logged_is_one_well_formed_line(value, as_json):
    stream = io.StringIO()
    observe.configure(json=as_json, stream=stream)
    try:
        structlog.get_logger().info("told", cause=value)
    finally:
        structlog.reset_defaults()
    line = stream.getvalue()
    line.encode()
    assert line.endswith("\n")
    assert is_plain(line[:-1])


def test_a_login_inside_of_a_url_is_masked(lines):
    structlog.get_logger().info("asked", cause="GET https://me:sesame@node.test/x failed")
    assert "sesame" not in lines.getvalue()
    assert "https://***@node.test/x" in lines.getvalue()


def test_less_than_the_level_is_not_written(logged):
    structlog.get_logger().debug("hidden")
    assert logged.getvalue() == ""


def test_a_log_goes_to_the_standard_error_of_the_moment(monkeypatch):
    observe.configure()
    try:
        later = io.StringIO()
        monkeypatch.setattr(sys, "stderr", later)
        structlog.get_logger().info("told")
        assert "told" in later.getvalue()
    finally:
        structlog.reset_defaults()


def test_the_recursion_guard_outlasts_the_first_signature():
    before = sys.getrecursionlimit()
    try:
        guard_recursion()
        order = UnsignedTransaction(1, 0, ZERO_ADDRESS, Wei(0), b"", Gas(21_000), Wei(1), None)
        Wallet.random().sign_transaction(order)
        assert sys.getrecursionlimit() == RECURSION_LIMIT
    finally:
        sys.setrecursionlimit(before)


def test_who_typed_a_verb_reads_sentences_and_no_keys():
    stream = io.StringIO()
    observe.configure(level="warning", stream=stream, sentences=True)
    try:
        log = structlog.get_logger()
        log.warning("endpoint_failed", cause="RPC endpoint x cannot be connected to", rest=0.25)
        log.warning("chain_lost", cause="none answers", acts="operator", next_step="bring it back")
        log.warning("odd\x1b[31m", cause="\x1b[2J")
    finally:
        structlog.reset_defaults()
    first, second, third = stream.getvalue().splitlines()
    assert first == "warning: endpoint failed: RPC endpoint x cannot be connected to"
    assert second == "warning: chain lost: none answers (operator: bring it back)"
    assert is_plain(third)
