"""A trouble that lasts is told, but not with every try."""

import pytest
import structlog
from structlog.testing import capture_logs

from poolhand.observe.outage_log import MOST_OUTAGE_CAUSES, SAME_CAUSE_QUIET, OutageLog


class Hand:
    """A clock turned by hand (seconds)."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Hand()


@pytest.fixture
def lines():
    structlog.reset_defaults()
    with capture_logs() as told:
        yield told


@pytest.fixture
def outage(clock):
    return OutageLog(
        "node_lost", "node_found", clock=clock, node="A", acts="you", next_step="mend it"
    )


def test_the_beginning_is_told_with_its_cause_and_what_to_do(outage, lines):
    outage.tell(OSError("refused"), purpose="reveal")
    assert lines == [
        {
            "event": "node_lost",
            "log_level": "warning",
            "cause": "refused",
            "node": "A",
            "acts": "you",
            "next_step": "mend it",
            "purpose": "reveal",
            "seconds": 0,
        }
    ]


def test_what_lasts_is_told_once_a_minute_with_how_long_it_has_lasted(outage, clock, lines):
    for _ in range(150):
        outage.tell("refused")
        clock.now += 2
    assert [line["seconds"] for line in lines] == [0, 60, 120, 180, 240]


def test_a_new_cause_is_told_at_once_and_an_old_one_still_waits_for_its_minute(
    outage, clock, lines
):
    for _ in range(30):
        outage.tell("refused")
        outage.tell("too busy")
        clock.now += 1
    assert [line["cause"] for line in lines] == ["refused", "too busy"]
    clock.now = 1000 + SAME_CAUSE_QUIET
    outage.tell("too busy")
    assert [line["cause"] for line in lines] == ["refused", "too busy", "too busy"]


def test_causes_without_end_are_told_a_few_a_minute(outage, clock, lines):
    for number in range(1000):
        outage.tell(f"request {number} failed")
    assert len(lines) == MOST_OUTAGE_CAUSES
    clock.now += SAME_CAUSE_QUIET
    outage.tell("another")
    assert lines[-1]["cause"] == "another"


def test_the_end_is_told_once_without_advice_and_lasts_to_the_last_failure(outage, clock, lines):
    outage.tell("refused")
    clock.now += 30
    outage.tell("refused")
    clock.now += 3600
    outage.over()
    outage.over()
    assert lines[1:] == [
        {"event": "node_found", "log_level": "info", "node": "A", "seconds": 30},
    ]


def test_where_nothing_was_wrong_nothing_is_over(outage, lines):
    outage.over()
    assert lines == []


def test_the_next_trouble_is_told_anew_with_its_own_beginning(outage, clock, lines):
    outage.tell("refused")
    outage.over()
    clock.now += SAME_CAUSE_QUIET
    outage.tell("refused")
    clock.now += 5
    outage.tell("too busy")
    assert [(line["event"], line["seconds"]) for line in lines] == [
        ("node_lost", 0),
        ("node_found", 0),
        ("node_lost", 0),
        ("node_lost", 5),
    ]


def test_a_trouble_that_comes_and_goes_is_told_once_a_minute_with_its_end(outage, clock, lines):
    for _ in range(60):
        outage.tell("refused")
        clock.now += 1
        outage.over()
        clock.now += 1
    assert [line["event"] for line in lines] == ["node_lost", "node_found"] * 2


def test_a_trouble_that_came_back_and_stays_is_told_after_its_minute(outage, clock, lines):
    outage.tell("refused")
    outage.over()
    for _ in range(80):
        clock.now += 1
        outage.tell("refused")
    assert [(line["event"], line["seconds"]) for line in lines[2:]] == [("node_lost", 59)]


def test_the_level_is_the_callers(clock, lines):
    OutageLog("waited", "went_on", clock=clock, level="info").tell("no block")
    assert lines[0]["log_level"] == "info"
