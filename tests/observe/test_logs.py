"""What is logged can be shown to anybody; what is imported leaves Python's limits as they were."""

import io
import sys

import pytest
import structlog

from poolhand import observe
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.units import Gas, Wei
from poolhand.keys import Wallet
from poolhand.observe.recursion import LIMIT, guard_recursion
from poolhand.ports.signer import UnsignedTransaction


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
        assert sys.getrecursionlimit() == LIMIT
    finally:
        sys.setrecursionlimit(before)
