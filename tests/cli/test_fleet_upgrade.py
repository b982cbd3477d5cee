"""`poolhand fleet upgrade`: one worker after the other, and none after one that fails."""

from __future__ import annotations

import pytest
from fleet_world import IDLE, simulated_fleet

from poolhand.cli.fleet.rows import member_page

NEWER = {
    "version": "99.1", "signed_by": "0xaa", "wheel_sha256": "ab", "requirements_sha256": "cd",
    "state": "available", "by_itself": False, "obstacle": None, "failure": None, "tries": 0,
}  # fmt: skip


@pytest.fixture
def world(tmp_path, monkeypatch):
    with simulated_fleet(tmp_path, monkeypatch) as made:
        yield made


def starts(world, **says):
    said = {**IDLE, "version": "1.0", "newer": NEWER, "upgrade": None, "folder": "/w", **says}
    world.says(**said)
    world.supervisor().look()
    world.until(lambda: all(member_page(world.folder, each) for each in world.members))


def states(ran):
    return [(each["name"], each["state"], each["version"]) for each in ran.json]


def orders(world, member):
    return (world.folder.member(member).worker / "orders").read_text().split()


def test_every_worker_is_replaced_and_each_by_the_version_that_was_shown(world, cli):
    starts(world)
    ran = cli("fleet", "upgrade", "--yes", "--json")
    assert (ran.code, ran.err.count("version 1.0 works, and the pool gives version 99.1")) == (0, 1)
    assert states(ran) == [("lab-001", "upgraded", "99.1"), ("lab-002", "upgraded", "99.1")]
    again = cli("fleet", "upgrade", "--json")
    assert (again.code, states(again)[0]) == (0, ("lab-001", "newest", "99.1"))
    assert [orders(world, each) for each in world.members] == [["look", "upgrade", "look"]] * 2


def test_after_one_that_fails_no_other_is_replaced(world, cli):
    starts(world, fails="lab-001")
    ran = cli("fleet", "upgrade", "--yes", "--json")
    assert ran.code == 1
    assert states(ran) == [("lab-001", "failed", "1.0"), ("lab-002", "not tried", "1.0")]
    assert "no room" in ran.json[0]["trouble"]
    assert "lab-001 was not replaced" in ran.json[1]["trouble"]
    assert orders(world, world.members[1]) == ["look"]


def test_a_look_changes_nothing_and_no_worker_is_replaced_without_a_yes(world, cli):
    starts(world)
    looked = cli("fleet", "upgrade", "--check", "--json")
    assert (looked.code, states(looked)[0]) == (0, ("lab-001", "newer", "1.0"))
    assert cli("fleet", "upgrade", "--json").error["code"] == "confirmation-missing"
    assert [orders(world, each) for each in world.members] == [["look", "look"]] * 2


def test_one_that_cannot_replace_itself_says_so_and_is_not_told_to(world, cli):
    starts(world, newer={**NEWER, "obstacle": "install it with apt"})
    ran = cli("fleet", "upgrade", "--yes", "--json")
    assert (ran.code, [each["trouble"] for each in ran.json]) == (1, ["install it with apt"] * 2)
    assert orders(world, world.members[0]) == ["look"]


def test_what_does_not_run_here_is_passed_over(world, cli):
    world.elsewhere(world.members[1])
    ran = cli("fleet", "upgrade", "--yes", "--json")
    assert (ran.code, [each["state"] for each in ran.json]) == (0, ["not running", "elsewhere"])


def test_a_collection_that_leaves_nothing_to_those_that_run_on_is_refused(world, cli):
    words = ("fleet", "collect", "--to", "0x" + "d1" * 20, "--all", "--running", "--yes", "--json")
    ran = cli(*words)
    assert (ran.code, ran.error["code"]) == (2, "nothing-to-run-on")
    assert "--keep-stake" in ran.error["message"]
    assert cli(*words, "--keep-stake", "1", "--keep-coin", "0.1").code == 0
