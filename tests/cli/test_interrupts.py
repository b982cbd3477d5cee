"""Ctrl-C where Python passes over it, and where it does not."""

from __future__ import annotations

import os
import signal

import pytest
import typer

from poolhand.cli.exits import INTERRUPTED
from poolhand.cli.interrupts import noted_interrupts
from poolhand.cli.stopping import drain


class Destroyed:
    """Is interrupted in its destructor, as whatever is collected just then may be."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


def passed_over():
    with noted_interrupts() as check:
        check()
        Destroyed()
        check()


def heard_at_once():
    with noted_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # turns of the interpreter, in one of which it is heard
            pass
        raise AssertionError("it was not raised")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_was_passed_over_is_raised_at_the_next_look():
    with pytest.raises(KeyboardInterrupt):
        passed_over()


def test_an_interrupt_is_raised_at_once_where_it_can_be():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        heard_at_once()
    assert signal.getsignal(signal.SIGINT) is before


class BusyPage:
    """A worker that holds a task for ever; Ctrl-C comes where nobody hears it."""

    url = "http://127.0.0.1:1"

    def order(self, _verb):
        return {}

    def status(self):
        Destroyed()
        return {"draining": True, "replicates": []}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_who_watches_a_worker_finish_is_heard(capsys):
    with pytest.raises(typer.Exit) as ended:
        drain(BusyPage(), as_json=False)
    assert ended.value.exit_code == INTERRUPTED
    assert "goes on finishing" in capsys.readouterr().err
