"""A program that ended suddenly is known at the next start; one that was told to end is not."""

from __future__ import annotations

import asyncio
import stat

import pytest

from poolhand.domain.errors import Bug, Refused
from poolhand.store import JournalFull
from poolhand.worker.life import Life, boot_of_this_machine


def lives(base, fault=None, boot="b1"):
    """Live until ``fault`` (None: to the end); return whether the life before ended suddenly."""
    life = Life(base, boot)
    with life:
        sudden = life.begin()
        if fault is not None:
            raise fault
    return sudden


def killed(base, boot="b1"):
    return Life(base, boot).begin()  # and never left: nobody says a word


def test_a_first_life_follows_nothing_sudden(tmp_path):
    assert not killed(tmp_path / "new")


def test_a_kill_is_known_once(tmp_path):
    killed(tmp_path)
    assert lives(tmp_path)
    assert not lives(tmp_path)


def test_a_kill_before_the_work_begins_adds_nothing(tmp_path):
    with Life(tmp_path, "b1"):
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
    killed(tmp_path, "b1")
    assert not killed(tmp_path, "b2")
    assert killed(tmp_path, "b2")


def test_a_folder_that_takes_no_file_keeps_nobody_from_living(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert not lives(tmp_path / "file" / "below")


def test_the_file_is_private_and_this_machine_has_a_name_for_its_boot(tmp_path):
    killed(tmp_path, boot_of_this_machine())
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(boot_of_this_machine()) == 36
