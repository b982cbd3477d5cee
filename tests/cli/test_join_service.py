"""What `poolhand join` writes and reads of its own: services, recovery words, near places."""

from __future__ import annotations

import os
import plistlib
import pwd
import sys
import time
from urllib.parse import urlsplit

import pytest
from unit_files import faults_of_unit

from poolhand.cli.join_folder import JoinFolder
from poolhand.cli.join_service import (
    BackgroundProgram,
    LaunchdAgent,
    SystemdUnit,
    plist_text,
    unit_text,
    worker_environ,
    worker_words,
)
from poolhand.domain.ids import Address
from poolhand.domain.input_url import is_near
from poolhand.keys.wallet import Wallet
from poolhand.keys.words import NotRecoveryWords, key_of_words, keys_of_words, new_words

JUNK_WORDS = "test test test test test test test test test test test junk"


def test_recovery_words_give_the_first_account_and_wrong_ones_are_refused():
    known = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert key_of_words(f"  {JUNK_WORDS.upper()}\n") == known
    for wrong in ("", JUNK_WORDS + " junk", JUNK_WORDS.replace("junk", "test"), "a b " * 6):
        with pytest.raises(NotRecoveryWords) as told:
            key_of_words(wrong)
        assert "junk" not in str(told.value)


def test_a_phrase_gives_the_accounts_that_wallet_programs_show():
    """Source: the accounts of Hardhat and Anvil, which everybody knows."""
    found = [str(Wallet.parse(key).address) for key in keys_of_words(JUNK_WORDS, (0, 1, 9))]
    assert found == [
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
    ]


def test_new_words_are_a_phrase_and_never_the_same():
    made = {new_words() for _ in range(4)}
    assert len(made) == 4
    for words in made:
        assert len(words.split()) == 12
        assert keys_of_words(words, (0,)) == (key_of_words(words),)


@pytest.mark.parametrize("is_user", [False, True])
def test_a_unit_starts_the_worker_by_its_settings(is_user, tmp_path):
    folder = JoinFolder(tmp_path / "a %b $c", tmp_path, "pool-1")
    words = worker_words(folder, {"POOLHAND_COMMAND": "/opt/pool hand"})
    text = unit_text(folder.name, words, is_user=is_user)
    quoted = str(folder.settings).replace("%", "%%").replace("$", "$$")
    assert f'ExecStart="/opt/pool hand" "worker" "start" "--config" "{quoted}"\n' in text
    assert f"WantedBy={'default' if is_user else 'multi-user'}.target" in text
    assert "Restart=on-failure" in text  # one that was drained stays away


@pytest.mark.parametrize("is_user", [False, True])
def test_systemd_finds_nothing_wrong_with_a_unit(is_user, tmp_path):
    folder = JoinFolder(tmp_path / "a %b $c", tmp_path, "pool-1")
    words = worker_words(folder, {"POOLHAND_COMMAND": sys.executable})
    assert faults_of_unit(unit_text(folder.name, words, is_user=is_user), tmp_path) == ""


def test_workers_of_one_pool_in_two_folders_are_two_services(tmp_path):
    pool = Address(bytes([7] * 20))
    folders = [JoinFolder.of(pool, tmp_path / home) for home in ("a", "b")]
    assert folders[0].name == folders[1].name
    services = {
        launcher.told
        for folder in folders
        for launcher in (
            SystemdUnit(folder, (), tmp_path, is_user=False),
            LaunchdAgent(folder, (), tmp_path),
        )
    }
    assert len(services) == 4
    assert JoinFolder.of(pool, tmp_path / "a").service == folders[0].service, "found again"


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """Stand in for systemd's programs: what they were told, and the user whose services linger."""
    programs, told, lingering = (tmp_path / name for name in ("programs", "told", "lingering"))
    programs.mkdir()
    lingering.mkdir()
    mine = lingering / pwd.getpwuid(os.geteuid()).pw_name
    acts = {
        "systemctl": "",
        "loginctl": f"case $1 in enable-linger) : >'{mine}' ;; disable-linger) rm '{mine}' ;; esac",
    }
    for name, act in acts.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\necho {name} $* >>'{told}'\n{act}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    return told, lingering, mine


def test_a_users_service_lingers_until_the_last_of_them_is_taken_away(systemd, tmp_path):
    told, lingering, mine = systemd
    pool, units = Address(bytes([7] * 20)), tmp_path / "units"
    first, second = (
        SystemdUnit(JoinFolder.of(pool, tmp_path / home), ("poolhand",), units, is_user=True,
                    lingering=lingering)
        for home in ("a", "b")
    )  # fmt: skip
    first.register()
    second.register()
    assert told.read_text().count("loginctl enable-linger") == 1
    first.remove()
    assert mine.exists()
    second.remove()
    assert not mine.exists()
    assert list(units.iterdir()) == []


def test_who_had_services_that_linger_keeps_them(systemd, tmp_path):
    told, lingering, mine = systemd
    mine.touch()
    folder, units = JoinFolder.of(Address(bytes([7] * 20)), tmp_path / "a"), tmp_path / "units"
    unit = SystemdUnit(folder, ("poolhand",), units, is_user=True, lingering=lingering)
    unit.register()
    unit.remove()
    assert mine.exists()
    assert "loginctl" not in told.read_text()
    assert list(units.iterdir()) == []


def test_a_program_in_the_background_is_at_work_until_it_ends(tmp_path):
    folder = JoinFolder(tmp_path, tmp_path, "pool-1")
    program = BackgroundProgram(folder, (sys.executable, "-c", "input()"), {})
    assert not program.is_at_work()
    program.start()  # its input is at an end
    until = time.monotonic() + 30
    while program.is_at_work():
        assert time.monotonic() < until
    assert "EOFError" in folder.log.read_text()


def test_settings_of_a_worker_are_not_overruled_by_the_shell_that_starts_it(tmp_path):
    folder = JoinFolder(tmp_path, tmp_path, "pool-1")
    shell = {
        "POOLHAND_WALLET": "of another", "POOLHAND_WALLET_PASSWORD": "of another",
        "IEXEC_WORKER_NAME": "another", "POOLHAND_LOCKS": "/var/lock/mine", "LANG": "C",
    }  # fmt: skip
    assert worker_environ(folder, shell) == shell  # nothing is written yet
    folder.write({"name": "pool-1", "wallet": "/its"}, Address(bytes([7] * 20)))
    assert set(shell) - set(worker_environ(folder, shell)) == {
        "POOLHAND_WALLET",
        "IEXEC_WORKER_NAME",
    }
    told = {"name": "pool-1", "wallet": "/its", "password-file": "/of it"}
    folder.write(told, Address(bytes([7] * 20)))
    assert worker_environ(folder, shell) == {"POOLHAND_LOCKS": "/var/lock/mine", "LANG": "C"}
    folder.settings.write_text("= no settings")
    assert worker_environ(folder, shell) == shell


def test_an_agent_of_launchd_is_a_property_list_that_reads(tmp_path):
    folder = JoinFolder(tmp_path / "a & <b>", tmp_path, "pool-1")
    words = worker_words(folder, {})
    told = plistlib.loads(plist_text(folder, words).encode())
    assert told["ProgramArguments"] == list(words)
    assert told["Label"] == f"poolhand.{folder.service}"
    assert told["KeepAlive"] == {"SuccessfulExit": False}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://pool.example", False),
        ("https://8.8.8.8", False),
        ("http://127.0.0.1:13000", True),
        ("http://localhost", True),
        ("http://10.0.0.7:13000", True),
        ("http://[::1]:1", True),
        ("http://box.local", True),
    ],
)
def test_private_places_are_allowed_for_a_pool_of_ones_own_network_alone(url, told):
    assert is_near(urlsplit(url).hostname) is told
