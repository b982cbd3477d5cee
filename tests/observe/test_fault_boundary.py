"""Walls let through what is the program's, and write the rest down: bounded, once, and no secret."""

from __future__ import annotations

import asyncio
import stat

import pytest
import structlog

from poolhand.domain.errors import Bug, EndsProgram, Refused, Unavailable
from poolhand.observe.fault_boundary import SAME_FAULT_QUIET, FaultBoundary
from poolhand.observe.traces import IN_FILE, MOST_FILES, Traces, trace_of, words_of


class NoMoreRoom(EndsProgram, Unavailable):
    """A leaf of this test."""


class Untellable(Exception):
    def __str__(self):
        raise ValueError("no words")


def caught(raising):
    try:
        raising()
    except Exception as fault:  # noqa: BLE001 - whatever the test raises
        return fault
    raise AssertionError("it did not raise")


def signs(secret):
    token = secret * 2
    raise KeyError(f"nothing under {len(token)}")


@pytest.fixture
def lines():
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        yield told


@pytest.mark.parametrize("fault", [NoMoreRoom("full"), asyncio.CancelledError(), SystemExit(1)])
def test_what_concerns_the_program_is_raised_again(fault):
    with pytest.raises(type(fault)):
        FaultBoundary().take(fault, "work")
    with pytest.raises(type(fault)), FaultBoundary().around("work"):
        raise fault


def test_anything_else_stays_inside():
    with FaultBoundary().around("work"):
        raise Bug("broken")


@pytest.mark.case("A6")
def test_a_trace_tells_the_way_but_no_values():
    secret = "hunter-2"
    trace = trace_of(caught(lambda: signs(secret)))
    assert "KeyError" in trace
    assert "in signs" in trace
    assert secret not in trace


def test_neither_words_nor_trace_file_tell_the_login_of_a_url(tmp_path):
    login = "me:hunter-2"
    fault = caught(lambda: {}[f"no answer of https://{login}@node.example/rpc"])
    words = FaultBoundary(tmp_path).take(fault, "look", task_id="0x1")
    (path,) = tmp_path.iterdir()
    told = words + path.read_text()
    assert "hunter-2" not in told
    assert told.count("https://***@node.example/rpc") == 3  # the words, their copy, the trace


def deep(levels):
    return deep(levels - 1) if levels else signs("x")


def chained(links):
    try:
        if links:
            chained(links - 1)
        else:
            signs("x")
    except Exception as fault:
        raise ValueError("y" * 10_000) from fault


@pytest.mark.parametrize(
    "raising",
    [
        lambda: deep(500),
        lambda: chained(100),
        lambda: signs("x" * 10_000_000),
        lambda: (_ for _ in ()).throw(ValueError("z" * 10_000_000)),
        lambda: (_ for _ in ()).throw(ExceptionGroup("g", [Bug("\ud800\x1b[2J")] * 10_000)),
        lambda: (_ for _ in ()).throw(Untellable()),
    ],
)
def test_a_trace_is_bounded_and_fit_for_a_person_whatever_was_raised(raising):
    fault = caught(raising)
    trace = trace_of(fault, IN_FILE)
    assert len(trace) <= IN_FILE.most
    assert all(line.isprintable() for line in trace.splitlines())
    words = words_of(fault)
    assert len(words) <= 400
    assert words.isprintable()


def test_files_are_private_and_the_oldest_go(tmp_path):
    folder = tmp_path / "deep" / "faults"
    traces = Traces(folder)
    written = [traces.write("work", f"text {number}") for number in range(MOST_FILES + 3)]
    kept = sorted(folder.iterdir())
    assert kept == written[3:]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_a_disk_that_takes_no_file_is_told_and_ends_nothing(tmp_path, lines):
    (tmp_path / "faults").write_text("in the way", encoding="utf-8")
    words = FaultBoundary(tmp_path / "faults").take(Refused("why"), "work", task_id="0x1")
    assert words == "why"
    assert [line["event"] for line in lines] == ["trace_not_written", "fault_contained"]


def test_the_same_fault_of_the_same_task_is_written_down_once_in_a_while(tmp_path, lines):
    now = [0.0]
    boundary = FaultBoundary(tmp_path, clock=lambda: now[0])
    first = boundary.take(Bug("again"), "work", task_id="0x1")
    assert boundary.take(Bug("again"), "work", task_id="0x1") == first
    boundary.take(Bug("again"), "work", task_id="0x2")
    now[0] = SAME_FAULT_QUIET
    boundary.take(Bug("again"), "work", task_id="0x1")
    assert len(lines) == len(list(tmp_path.iterdir())) == 3


def test_the_words_name_the_file_and_the_log_has_its_path_and_who_must_act(tmp_path, lines):
    words = FaultBoundary(tmp_path).take(Bug("broken"), "compute", task_id="0x1")
    (path,) = tmp_path.iterdir()
    assert words == f"a fault of Poolhand's own, Bug: broken (trace {path.name})"
    (line,) = lines
    assert line["trace"] == str(path)
    assert line["task_id"] == "0x1"
    assert {"acts", "next_step"} <= line.keys()
