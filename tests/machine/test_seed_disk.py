"""The seed disk: read once, kept for root alone, and refused before anything of it is kept."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from vm.worker_machine.places import MachinePlaces
from vm.worker_machine.seed import (
    DISK,
    MENDED_BY_A_PERSON,
    MOST,
    NO_SEED,
    DiskSilent,
    join_by_seed,
    mounted_disk,
)

ROOT = Path(__file__).parents[2] / "scripts" / "vm" / "root"
UNIT = ROOT / "etc/systemd/system/poolhand-seed.service"
URL = "https://pool.example"
TOML = f'pool-url = "{URL}"\n'


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "disk"
    made.mkdir()
    (made / "join.toml").write_text(TOML)
    (made / "wallet.json").write_text('{"version": 3}')
    (made / "password").write_text("secret\n")
    return made


def attached(folder):
    """Return a disk, and how often it was mounted and let go."""
    seen = []

    def disk():
        seen.append("mounted")
        try:
            yield folder
        finally:
            seen.append("let go")

    return disk, seen


def never():
    raise AssertionError("the disk was looked at")
    yield


def kept(places):
    files = (*places.state.glob("*"), *places.keystore.glob("*"))
    return {each.name: each.read_text() for each in files if each.read_text()}


def test_a_whole_seed_joins_without_a_question(places, played, folder):
    (disk, seen), here = attached(folder), played()
    assert join_by_seed(places, here.window, disk) == 0
    told = ("join", URL, "--config", str(places.settings), "--yes", "--wallet", str(places.wallet))
    assert here.called == [(*told, "--password-file", str(places.password))]
    assert here.asked == []
    assert seen == ["mounted", "let go"]
    assert kept(places) == {
        "join.toml": TOML,
        "wallet.json": '{"version": 3}',
        "seed-password": "secret\n",
    }
    for file in (places.settings, places.password, places.wallet):
        assert file.stat().st_mode & 0o777 == 0o600


def test_the_next_start_joins_again_and_looks_at_no_disk(places, played, folder):
    join_by_seed(places, played().window, attached(folder)[0])
    here = played()
    here.codes = [4]
    assert join_by_seed(places, here.window, never) == 4
    assert here.called[0][0] == "join"


def test_without_a_password_settings_and_wallet_wait_for_a_person(places, played, folder):
    (folder / "password").unlink()
    here = played()
    assert join_by_seed(places, here.window, attached(folder)[0]) == 0
    assert here.called == []
    assert places.pool_url() == URL
    assert places.has_wallet_file()


def test_without_a_wallet_joining_makes_one(places, played, folder):
    (folder / "wallet.json").unlink()
    here = played()
    join_by_seed(places, here.window, attached(folder)[0])
    assert "--wallet" not in here.called[0]
    assert "--yes" in here.called[0]


def test_without_a_disk_it_says_what_one_is(places, played):
    here = played()
    assert join_by_seed(places, here.window, attached(None)[0]) == 0
    assert (here.said, here.called) == ([NO_SEED], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"pool-url = https", "no TOML"),
        (b"\xff\xfe", "no TOML"),
        (b'name = "me"', "names no pool"),
        (b"", "names no pool"),
        (b"#" * (MOST + 1), "larger than"),
    ],
)
def test_a_seed_that_cannot_be_used_is_told_and_nothing_of_it_is_kept(
    places, played, folder, content, said
):
    (folder / "join.toml").write_bytes(content)
    (disk, seen), here = attached(folder), played()
    assert join_by_seed(places, here.window, disk) == MENDED_BY_A_PERSON
    assert said in here.said[0]
    assert (kept(places), here.called, seen[-1]) == ({}, [], "let go")
    (folder / "join.toml").write_text(TOML)
    assert join_by_seed(places, here.window, disk) == 0


def test_power_that_fails_while_a_seed_is_kept_has_it_read_again(places, played, folder):
    places.wallet.unlink()
    places.keystore.rmdir()  # *simulated*: writing the wallet is as far as it comes
    (disk, seen), here = attached(folder), played()
    with pytest.raises(OSError):
        join_by_seed(places, here.window, disk)
    places.keystore.mkdir()
    assert join_by_seed(places, here.window, disk) == 0
    assert seen == ["mounted", "let go"] * 2
    assert len(kept(places)) == 3


def test_a_machine_that_was_built_for_a_pool_needs_no_settings_on_the_disk(places, played, folder):
    places.built_for.write_text(URL)
    (folder / "join.toml").unlink()
    here = played()
    assert join_by_seed(places, here.window, attached(folder)[0]) == 0
    assert here.called[0][:2] == ("join", URL)
    assert join_by_seed(places, here.window, never) == 0


def test_settings_of_an_editor_that_marks_utf8_are_read(places, played, folder):
    (folder / "join.toml").write_text("\ufeff" + TOML)
    assert join_by_seed(places, played().window, attached(folder)[0]) == 0
    assert places.settings.read_text() == TOML


def test_a_disk_that_was_not_mounted_is_tried_again(places, played):
    def disk():
        raise DiskSilent("the seed disk was not mounted")
        yield

    here = played()
    assert join_by_seed(places, here.window, disk) not in (0, MENDED_BY_A_PERSON)
    assert "not mounted" in here.said[0]


def test_where_no_disk_has_that_label_there_is_none(tmp_path):
    assert list(mounted_disk(tmp_path / "POOLHAND")) == [None]


# ------------------------------------------------------------------ the files that call all this


def unit():
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str
    read.read(UNIT)
    return read


def test_the_service_tries_again_what_time_may_mend_and_nothing_else():
    service = unit()["Service"]
    assert service["Restart"] == "on-failure"
    assert int(service["RestartPreventExitStatus"]) == MENDED_BY_A_PERSON


def test_a_disk_of_that_label_starts_the_service_whenever_it_comes():
    rule = (ROOT / "etc/udev/rules.d/90-poolhand-seed.rules").read_text()
    assert f'ENV{{ID_FS_LABEL}}=="{DISK.name}"' in rule
    assert f'ENV{{SYSTEMD_WANTS}}+="{UNIT.name}"' in rule


def test_what_is_started_exists_and_imports_nothing_from_where_it_is_called():
    callers = [UNIT, *(ROOT / "usr/local/bin").iterdir()]
    started = re.findall(
        r"env/bin/python (-I )?-m worker_machine\.(\w+)", "".join(map(Path.read_text, callers))
    )
    assert sorted(started) == [("-I ", "launch"), ("-I ", "seed"), ("-I ", "stop")]
    for _, module in started:
        assert (ROOT.parent / "worker_machine" / f"{module}.py").is_file()


def test_the_desktop_has_both_icons_and_the_folder_with_an_empty_wallet_file():
    desktop = ROOT / str(MachinePlaces().keystore.parent).lstrip("/")
    entries = "".join(each.read_text() for each in desktop.glob("*.desktop"))
    names = re.findall(r"^Name=(.*)$", entries, re.MULTILINE)
    assert {"Launch Worker", "Stop Worker"} <= set(names)
    commands = re.findall(r" -e ([\w-]+)$", entries, re.MULTILINE)
    assert sorted(commands) == ["launch-worker", "stop-worker"]
    assert all((ROOT / "usr/local/bin" / each).stat().st_mode & 0o111 for each in commands)
    icons = re.findall(r"^Icon=(.*)$", entries, re.MULTILINE)
    assert all((ROOT / each.lstrip("/")).is_file() for each in icons)
    assert (desktop / "keystore" / "wallet.json").read_bytes() == b""


def test_every_program_keeps_to_the_machines_own_folders():
    wrapper = (ROOT / "usr/local/bin/poolhand").read_text()
    for place in (MachinePlaces().state, MachinePlaces().workers, MachinePlaces().keystore):
        assert f"={place} " in wrapper
    assert str(MachinePlaces().program) in wrapper
