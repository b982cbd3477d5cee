"""Workers that run are collected from one after the other, and run again afterwards."""

from __future__ import annotations

import os
import signal

import pytest
from fleet_at_work import HOME, KEEP, RLC, FleetAtWork
from fleet_world import simulated_fleet

from poolhand.cli.fleet.orders import drain_all, resume_all
from poolhand.domain.units import Wei
from poolhand.worker import pid_file


@pytest.fixture
def lab(cli, tmp_path, monkeypatch):
    with simulated_fleet(tmp_path, monkeypatch) as made:
        yield FleetAtWork(cli, made)


def test_each_finishes_is_collected_from_and_starts_again(lab):
    found = lab.collects(running=True)
    assert not any(each.trouble for each in found.values())
    assert lab.chain.state.rlc_of(HOME) == 2 * 3 * RLC
    for each in lab.world.members:
        assert lab.chain.state.stake_of(each.wallet) == KEEP.stake
        assert lab.world.orders(each) == ["drain"]
        assert lab.world.starts(each) == 2
        assert not lab.world.folder.is_stopped(each)
        assert lab.page(each) is not None


def test_nobody_finishes_for_nothing_nor_for_what_is_left_of_gas(lab):
    lab.collects(running=True)
    first, second = (each.wallet for each in lab.world.members)
    lab.chain.fund(first, coin=KEEP.coin)
    lab.chain.fund(second, coin=Wei(KEEP.coin + 1))
    found = lab.collects(running=True)
    assert sum(each.rlc for each in found.values()) == 0
    assert [each.coin for each in found.values()] == [0, KEEP.coin + 1]
    assert [lab.world.starts(each) for each in lab.world.members] == [2, 3]


def test_one_that_its_operator_has_told_to_end_is_collected_from_and_stays_ended(lab):
    first, second = lab.world.members
    lab.world.folder.mark(first, stopped=True)  # it was drained, and still finishes what it holds
    found = lab.collects(running=True)
    assert not any(each.trouble for each in found.values())
    assert lab.world.folder.is_stopped(first)
    assert [lab.world.starts(each) for each in (first, second)] == [1, 2]


def test_unless_it_is_wanted_those_that_run_are_left_alone_and_told_of(lab):
    found = lab.collects()
    assert all("--running" in each.trouble for each in found.values())
    assert lab.chain.state.rlc_of(HOME) == 0
    assert [lab.world.starts(each) for each in lab.world.members] == [1, 1]


def test_one_that_does_not_answer_goes_on_and_the_other_is_collected_from(lab):
    first, second = lab.world.members
    mine = pid_file.read(lab.world.place(first))
    pid_file.post(lab.world.place(first), "http://127.0.0.1:9", "token")
    found = lab.collects(running=True)
    assert "does not answer" in found[first].trouble
    assert not lab.world.folder.is_stopped(first)
    assert found[second].trouble == ""
    assert lab.chain.state.rlc_of(HOME) == 3 * RLC
    os.kill(mine.pid, signal.SIGKILL)
    pid_file.remove(lab.world.place(first))


def test_an_operator_who_drains_or_resumes_meanwhile_is_obeyed(lab):
    first, second = lab.world.members
    lab.world.folder.mark_collecting(first)  # as a collection leaves it while it waits
    drain_all(lab.world.folder, [first])
    assert not lab.world.folder.is_collecting(first)
    lab.world.until(lambda: lab.page(first) is None)
    found = lab.collects(running=True)
    assert not any(each.trouble for each in found.values())
    assert lab.world.folder.is_stopped(first)
    assert [lab.world.starts(each) for each in (first, second)] == [1, 2]
    resume_all(lab.world.folder, [first], lab)
    assert lab.world.starts(first) == 2
