"""A program that ended suddenly is known at the next start; one that was told to end is not."""

from __future__ import annotations

import asyncio
import faulthandler
import io
import os
import signal
import stat
import subprocess
import sys

import pytest
import structlog

from poolhand.domain.errors import Bug, Refused
from poolhand.store.errors import JournalFull
from poolhand.worker.life import (
    CRASH,
    KEPT_CRASH,
    LIFE_FILE,
    PAUSE_BETWEEN_LIFE_LOOKS,
    Life,
    Machine,
)


def lives(base, fault=None, boot="b1", killed=0, victims=lambda _: None):
    """Live until ``fault`` (None: to the end); return whether the life before brought itself down."""
    with Life(base, Machine(boot, killed, victims)) as life:
        sudden = life.begin()
        if fault is not None:
            raise fault
    return sudden


DIES = """
import ctypes, os, pathlib, signal, sys
from poolhand.worker.life import Life, Machine
with Life(pathlib.Path(sys.argv[1]), Machine("b1", 0, newest_record=lambda: 41)) as life:
    life.begin()
    life.look(Machine("b1", int(sys.argv[3])))
    if sys.argv[2] == "crash":
        ctypes.string_at(0)
    os.kill(os.getpid(), int(sys.argv[2]))
"""


def dies(base, how, killed=0):
    """Let another process live and die: by a signal of that number, or by a ``crash``; its number.

    ``killed`` is how many the kernel has killed by then for want of memory, apps for example.
    """
    words = (str(base), str(how), str(killed))
    with subprocess.Popen((sys.executable, "-c", DIES, *words)) as process:
        assert process.wait() < 0
    return process.pid


def test_a_first_life_follows_nothing_sudden(tmp_path):
    assert not lives(tmp_path / "new")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_from_outside_is_nobodys_fault(tmp_path, number):
    dies(tmp_path, int(number))
    assert not lives(tmp_path)


def test_a_crash_of_the_interpreter_is_known_once_by_its_trace(tmp_path):
    dies(tmp_path, "crash")
    assert "Segmentation fault" in (tmp_path / CRASH).read_text()
    assert lives(tmp_path)
    assert not lives(tmp_path)


def test_the_trace_of_a_crash_lies_where_the_log_says_while_the_next_life_goes_on(tmp_path):
    dies(tmp_path, "crash")
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told, Life(tmp_path, Machine("b1", 0)) as life:
        assert life.begin()
        (cause,) = [line["cause"] for line in told if line["event"] == "sudden_end_found"]
        assert str(tmp_path / KEPT_CRASH) in cause
        assert "Segmentation fault" in (tmp_path / KEPT_CRASH).read_text()
    dies(tmp_path, int(signal.SIGKILL))
    assert not lives(tmp_path)


def test_a_kill_by_a_kernel_that_is_short_of_memory_is_known_by_its_count(tmp_path):
    dies(tmp_path, int(signal.SIGKILL))
    assert lives(tmp_path, killed=1)
    dies(tmp_path, int(signal.SIGKILL))
    assert not lives(tmp_path, killed=0)


def test_apps_that_the_kernel_killed_while_the_program_lived_on_say_nothing_of_its_end(tmp_path):
    dies(tmp_path, int(signal.SIGKILL), killed=3)
    assert not lives(tmp_path, killed=3)
    dies(tmp_path, int(signal.SIGKILL), killed=3)
    assert lives(tmp_path, killed=4)


def test_the_kernels_log_tells_a_program_from_an_app_that_was_killed_beside_it(tmp_path):
    """Seen beside apps out of memory: two kills from outside, and an innocent task shut away."""
    process = dies(tmp_path, int(signal.SIGKILL))
    assert not lives(tmp_path, killed=1, victims=lambda _: {process + 1})
    process = dies(tmp_path, int(signal.SIGKILL))
    assert lives(tmp_path, killed=1, victims=lambda _: {process + 1, process})


def logged(kills):
    """Return what the kernel's log tells after a record: by the records' numbers, whom it killed."""
    return lambda record: {process for number, process in kills.items() if number > record}


@pytest.mark.parametrize("killed_by_then", [0, 3])
def test_a_kill_from_before_the_last_life_was_of_another_process_of_that_number(
    tmp_path, killed_by_then
):
    """Seen on a machine of many apps: numbers come again, and the kernel's log goes back hours.

    Which kills are newer is told by the numbers of the log's records: a clock may be set meanwhile.
    """
    process = dies(tmp_path, int(signal.SIGKILL), killed=killed_by_then)
    os.utime(tmp_path / LIFE_FILE, (0, 0))
    assert not lives(tmp_path, killed=4, victims=logged({40: process, 41: process, 42: 1}))
    process = dies(tmp_path, int(signal.SIGKILL), killed=killed_by_then)
    assert lives(tmp_path, killed=4, victims=logged({40: 1, 42: process}))


def test_a_note_of_an_older_version_names_no_process_or_no_record(tmp_path):
    (tmp_path / LIFE_FILE).write_text("b1\n0")
    assert lives(tmp_path, killed=1, victims=lambda _: {1})
    (tmp_path / LIFE_FILE).write_text("b1\n0\n77")
    assert lives(tmp_path, killed=1, victims=logged({0: 77}))


class Beats:
    """A clock on which a few pauses pass at once, and then whoever sleeps is cancelled."""

    def __init__(self, most):
        self.slept, self._most = [], most

    async def sleep(self, seconds):
        if len(self.slept) == self._most:
            raise asyncio.CancelledError
        self.slept.append(seconds)


async def test_the_kernels_count_is_looked_at_again_and_again(tmp_path):
    clock, counts = Beats(3), iter((0, 2, 5))
    with Life(tmp_path, Machine("b1", 0)) as life:
        life.begin()
        with pytest.raises(asyncio.CancelledError):
            await life.keep_looking(clock, lambda: Machine("b1", next(counts)))
        assert (tmp_path / LIFE_FILE).read_text() == f"b1\n5\n{os.getpid()}"
    assert clock.slept == [PAUSE_BETWEEN_LIFE_LOOKS] * 3


def test_an_end_before_the_work_begins_adds_nothing(tmp_path):
    with Life(tmp_path, Machine("b1", 0)):
        pass
    assert not lives(tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        JournalFull("journal"),
        Refused("a wrong setting"),
        ExceptionGroup("in a group", [JournalFull("journal")]),
    ],
)
def test_who_is_told_to_end_or_says_who_must_act_does_not_end_suddenly(tmp_path, fault):
    with pytest.raises(type(fault)):
        lives(tmp_path, fault)
    assert not lives(tmp_path)


@pytest.mark.parametrize(
    "fault", [Bug("x"), ValueError(), ExceptionGroup("g", [Refused("x"), KeyError()])]
)
def test_an_error_that_nobody_expected_is_a_sudden_end(tmp_path, fault):
    with pytest.raises(type(fault)):
        lives(tmp_path, fault)
    assert lives(tmp_path)


def test_a_restart_of_the_machine_explains_the_end(tmp_path):
    dies(tmp_path, "crash")
    assert not lives(tmp_path, boot="b2")
    dies(tmp_path, "crash")
    assert lives(tmp_path)


def test_a_folder_that_takes_no_file_keeps_nobody_from_living(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert not lives(tmp_path / "file" / "below")


def test_the_files_are_private_and_this_machine_has_a_name_for_its_boot(tmp_path):
    dies(tmp_path, int(signal.SIGKILL))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len(Machine.read().boot) == 36


@pytest.mark.parametrize("stderr", [None, io.StringIO()])
def test_a_life_ends_well_where_standard_error_is_no_file(tmp_path, monkeypatch, stderr):
    was = faulthandler.is_enabled()
    with (tmp_path / "trace").open("w") as trace:
        faulthandler.enable(trace)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stderr)
            assert not lives(tmp_path)
        faulthandler.disable()
    if was:
        faulthandler.enable(sys.__stderr__)
