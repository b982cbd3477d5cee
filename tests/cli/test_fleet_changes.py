"""A fleet is changed by one command at a time, and stays whole where that was cut off."""

from __future__ import annotations

import json
import stat
from contextlib import asynccontextmanager

import pytest
from fleet_world import simulated_fleet

from poolhand.cli.fleet.locks import FleetBeingChanged, changing
from poolhand.cli.fleet.rows import member_page
from poolhand.cli.fleet.up import add_members
from poolhand.cli.main import run


@pytest.fixture
def world(tmp_path, monkeypatch):
    with simulated_fleet(tmp_path, monkeypatch) as made:
        yield made


def test_two_commands_never_change_a_fleet_at_once_and_the_second_names_the_first(world, tmp_path):
    with (
        changing(world.folder),
        pytest.raises(FleetBeingChanged, match=r"process \d+ changes fleet lab already"),
    ):
        add_members(world.folder, 1, str(tmp_path / "phrase"), is_here=True)
    assert world.folder.read().accounts == 2
    add_members(world.folder, 1, str(tmp_path / "phrase"), is_here=True)
    assert world.folder.read().accounts == 3


@pytest.mark.parametrize("verb", ["remove", "collect"])
def test_no_verb_takes_a_fleet_apart_that_another_command_has(world, cli, verb):
    words = {"remove": ("lab-001",), "collect": ("--to", "0x" + "d1" * 20)}[verb]
    with changing(world.folder):
        ran = cli("fleet", verb, *words, "--yes", "--json")
    assert ran.error["code"] == "fleet-being-changed"
    assert world.folder.read().members == world.members


def test_a_fleets_folder_is_for_its_owner_alone(world):
    for each in (world.folder.path, world.folder.wallets):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700


def test_workers_leave_from_here_and_from_elsewhere_and_their_wallets_stay(world, cli):
    first, second = world.members
    world.elsewhere(second)
    left = cli("fleet", "remove", first.name, second.name, first.name, "--yes", "--json")
    assert left.code == 0, left.err
    assert [each["wallet"] for each in left.json["removed"]] == [first.address, second.address]
    assert world.folder.read().members == ()
    assert world.folder.keystore(first).exists()
    assert world.folder.keystore(second).exists()
    assert not world.folder.member(first).path.exists()
    again = cli("fleet", "remove", first.name, "--json")
    assert again.error["code"] == "no-such-worker"


def test_one_that_is_started_while_its_owner_is_asked_is_not_taken_out(world, cli):
    first = world.members[0]

    @asynccontextmanager
    async def slowly(settings):
        """Open a requester; meanwhile the supervisor starts what had failed."""
        world.supervisor().look()
        world.until(lambda: all(member_page(world.folder, each) for each in world.members))
        async with cli.open(settings) as requester:
            yield requester

    assert run(("fleet", "remove", first.name, "--yes", "--json"), slowly) == 2
    assert json.loads(cli.capsys.readouterr().out)["error"]["code"] == "worker-not-over"
    assert world.folder.read().members == world.members
    assert world.place(first).exists()
