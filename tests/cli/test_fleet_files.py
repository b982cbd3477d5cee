"""What is written for other machines: enough to run, and no password in it."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace

import pytest
import yaml
from fleet_world import simulated_fleet
from unit_files import faults_of_unit

from poolhand.cli.fleet.files import FilesThere, write_compose, write_units
from poolhand.keys.keystore import open_wallet
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings


@pytest.fixture
def world(tmp_path, monkeypatch):
    with simulated_fleet(tmp_path, monkeypatch) as made:
        yield made


def password(world):
    return world.folder.password.read_text().strip()


def test_each_worker_has_a_unit_settings_that_read_and_its_keystore(world, tmp_path):
    to = tmp_path / "units"
    fleet = replace(world.folder.read(), slots=2)
    text = write_units(world.folder, fleet, world.members, to)
    for each in world.members:
        place = to / each.name
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        settings = worker_settings(load(WORKER_OPTIONS, {}, {}, place / "worker.toml"), {}, 4)
        assert settings.name == each.name
        assert settings.cpus == 2
        assert str(settings.wallet) == f"/etc/poolhand/{each.name}/wallet.json"
        wallet = open_wallet(place / "wallet.json", place, password(world))
        assert str(wallet.address) == each.address
        unit = (place / f"poolhand-{each.name}.service").read_text()
        config = f'"/etc/poolhand/{each.name}/worker.toml"'
        assert f'"/usr/local/bin/poolhand" "worker" "start" "--config" {config}' in unit
        here = unit.replace("/usr/local/bin/poolhand", sys.executable)
        assert faults_of_unit(here, tmp_path) == ""
    told = text.read_text()
    assert "scp -r" in told
    assert "ssh root@MACHINE" in told


def test_a_compose_file_has_a_worker_and_a_signer_for_each_wallet(world, tmp_path):
    to = tmp_path / "there" / "fleet.yaml"
    text = write_compose(world.folder, world.folder.read(), world.members, to)
    made = yaml.safe_load(to.read_text())
    first, second = (each.name for each in world.members)
    assert set(made["services"]) == {
        f"{kind}-{name}" for kind in ("worker", "signer") for name in (first, second)
    }
    worker, signer = made["services"][f"worker-{first}"], made["services"][f"signer-{first}"]
    assert worker["environment"]["IEXEC_WORKER_NAME"] == first
    assert worker["environment"]["IEXEC_CORE_URL"] == "https://pool.test"
    assert worker["environment"]["POOLHAND_CHAIN"] == "arbitrum"
    assert "secrets" not in worker
    assert signer["network_mode"] == "none"
    assert signer["secrets"] == [f"wallet-{first}", "wallet-password"]
    lines = {each["volumes"][0].split(":")[0] for each in made["services"].values()}
    assert lines == {f"line-{first}", f"line-{second}"}
    for each in world.members:
        place = made["secrets"][f"wallet-{each.name}"]["file"]
        wallet = open_wallet(to.parent / place, to.parent, password(world))
        assert str(wallet.address) == each.address
    assert "docker compose --file fleet.yaml up" in text.read_text()


def test_a_dollar_of_a_setting_is_no_variable_of_compose(world, tmp_path):
    fleet = world.folder.read()
    settings = {**fleet.settings, "rpc": "https://rpc.test/${KEY}$1", "oversubscribe": "true"}
    to = tmp_path / "fleet.yaml"
    write_compose(world.folder, replace(fleet, settings=settings), world.members, to)
    made = yaml.safe_load(to.read_text())
    told = made["x-settings"]["IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS"]
    assert told == "https://rpc.test/$${KEY}$$1"
    assert made["x-settings"]["POOLHAND_OVERSUBSCRIBE"] == "true"


@pytest.mark.parametrize("write", [write_units, write_compose])
def test_the_password_is_in_none_of_the_files_and_nothing_is_overwritten(world, tmp_path, write):
    to = tmp_path / "out" / "place"
    to.parent.mkdir()
    write(world.folder, world.folder.read(), world.members, to)
    for file in to.parent.rglob("*"):
        assert not file.is_file() or password(world) not in file.read_text()
    with pytest.raises(FilesThere, match="move it away"):
        write(world.folder, world.folder.read(), world.members, to)


@pytest.mark.parametrize("option", ["--units", "--compose"])
def test_a_place_that_is_taken_is_told_before_anything_is_made_or_paid(
    world, cli, tmp_path, option
):
    phrase = ("--words-file", str(tmp_path / "phrase"), "--workers", "1", "--yes", "--json")
    for verb in (("add",), ("up", "--fleet", "other", "--pool", "http://127.0.0.1:9")):
        ran = cli("fleet", *verb, option, str(tmp_path), *phrase)
        assert ran.error["code"] == "files-there"
    both = cli("fleet", "add", "--units", "a", "--compose", "b", *phrase)
    assert both.error["code"] == "two-places"
    assert world.folder.read().accounts == 2
    assert not (world.folder.path.parent / "other").exists()


def test_who_adds_workers_is_told_what_goes_on_where_it_is_cut_off(world, cli, tmp_path):
    world.folder.write(replace(world.folder.read(), url="http://127.0.0.1:9"))
    to = str(tmp_path / "units")
    ran = cli(
        "fleet", "add", "--workers", "1", "--words-file", str(tmp_path / "phrase"), "--units", to
    )
    assert ran.code == 4
    words = f"poolhand fleet up --pool http://127.0.0.1:9 --fleet lab --units {to}"
    assert f"`{words}` goes on" in ran.err
    assert world.folder.read().accounts == 3
