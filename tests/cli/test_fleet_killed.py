"""Killed by SIGKILL at any of its effects, a command to a fleet goes on by being given again."""

from __future__ import annotations

import pytest
from fleet_at_work import HOME, KEEP, RLC, FleetAtWork
from fleet_world import simulated_fleet

from poolhand.cli.fleet.orders import await_ended, drain_all, resume_all

COLLECTION = (
    ("before the order", 1),
    ("ordered", 1),
    *((where, at) for where in ("before a payment", "after a payment") for at in range(1, 5)),
    ("collected", 1),
    ("before the start", 1),
    ("after the start", 1),
    ("before the start", 2),
)
"""What a collection from two workers that run does; each sends its RLC, then its coin."""


@pytest.fixture
def lab(cli, tmp_path, monkeypatch):
    with simulated_fleet(tmp_path, monkeypatch) as made:
        yield FleetAtWork(cli, made)


@pytest.mark.parametrize(("where", "at"), COLLECTION)
def test_a_collection_goes_on_sends_nothing_twice_and_leaves_all_running(lab, where, at):
    lab.killed(lambda: lab.collects(running=True), where, at)
    found = lab.collects(running=True)
    assert not any(each.trouble for each in found.values())
    assert lab.chain.state.rlc_of(HOME) == 2 * 3 * RLC
    for each in lab.world.members:
        assert lab.chain.state.stake_of(each.wallet) == KEEP.stake
        assert lab.page(each) is not None
        assert not lab.world.folder.is_stopped(each)
        assert not lab.world.folder.is_collecting(each)


def test_without_another_collection_resume_starts_who_was_stopped_for_one(lab):
    lab.killed(lambda: lab.collects(running=True), "after a payment")
    resume_all(lab.world.folder, lab.world.members, lab)
    assert [lab.world.starts(each) for each in lab.world.members] == [2, 1]
    assert not any(map(lab.world.folder.is_collecting, lab.world.members))


def test_one_that_its_operator_drains_after_a_collection_was_killed_stays_ended(lab):
    first = lab.world.members[0]
    lab.killed(lambda: lab.collects(running=True), "collected")
    drain_all(lab.world.folder, [first])
    lab.collects(running=True)
    assert lab.page(first) is None
    assert lab.world.folder.is_stopped(first)


def test_drain_goes_on_and_nobody_is_started_again(lab):
    folder, members = lab.world.folder, lab.world.members
    lab.killed(lambda: drain_all(folder, members), "ordered")
    drain_all(folder, members)
    await_ended(folder, members, lambda _: None)
    (supervisor,) = lab.world.supervisors
    lab.world.until(lambda: not supervisor.look())
    assert [lab.world.starts(each) for each in members] == [1, 1]


def test_resume_goes_on_and_starts_each_once(lab):
    folder, members = lab.world.folder, lab.world.members
    drain_all(folder, members)
    await_ended(folder, members, lambda _: None)
    lab.killed(lambda: resume_all(folder, members, lab), "before the start")
    resume_all(folder, members, lab)
    assert [lab.world.starts(each) for each in members] == [2, 2]
    assert not any(map(folder.is_stopped, members))
