"""A version that is tried before it takes over: what it gets, and what comes of it."""

from __future__ import annotations

import os
import sys

import pytest

from poolhand.cli.taking_over import take_over, takeover_of, why_not
from poolhand.domain.ids import Address
from poolhand.domain.release import Release
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS
from poolhand.worker.upgrading.installation import Installation
from poolhand.worker.upgrading.takeover import Takeover

NEW = Release("99.1", Address(b"\x01" * 20), "a" * 64, "b" * 64)


def program(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def base(tmp_path):
    """The folder of a worker that has ended."""
    made = tmp_path / "workers" / "ann"
    made.mkdir(parents=True)
    (made / "journal").write_text("what happened\n")
    return made


@pytest.fixture
def place(tmp_path):
    """The folder of the join script, with the version that runs, and a newer one beside it."""
    made = tmp_path / "place"
    for name in ("version-0123", f"version-{'b' * 16}"):
        (made / name / "env" / "bin").mkdir(parents=True)
        (made / name / "installed").touch()
    (made / "current").symlink_to(made / "version-0123")
    return made


async def test_it_works_on_a_copy_of_the_journal_and_is_told_to_take_nothing(base, tmp_path):
    told = tmp_path / "told"
    newer = program(
        tmp_path / "newer",
        f'echo "$*" > {told}; cat "$6/ann/journal" >> {told}; echo changed > "$6/ann/journal"',
    )
    assert await why_not(newer, base, ["worker", "start"]) is None
    words, journal = told.read_text().splitlines()
    assert words == (f"worker start --trial true --base-dir {base / 'trial'} --status-port 0")
    assert journal == "what happened"
    assert (base / "journal").read_text() == "what happened\n"
    assert not (base / "trial").exists()


async def test_why_it_does_not_come_up_is_told_in_its_own_words_and_bounded(base, tmp_path):
    newer = program(tmp_path / "newer", "yes fault | head -c 100000; printf '\\033[2Jno'; exit 3")
    cause = await why_not(newer, base, ["worker", "start"])
    assert cause.startswith("ended with 3; it said last: ")
    assert cause.endswith("no")
    assert len(cause) < 1_000
    assert "\x1b" not in cause


async def test_one_that_is_not_let_in_does_not_stay(base, tmp_path):
    alive = tmp_path / "alive"
    newer = program(tmp_path / "newer", f'trap "" TERM; echo $$ > {alive}; exec tail -f /dev/null')
    cause = await why_not(newer, base, ["worker", "start"], limit=0.5)
    assert cause.startswith("not let in by the pool in")
    with pytest.raises(ProcessLookupError):
        os.kill(int(alive.read_text()), 0)


async def test_one_that_cannot_be_started_is_a_cause_as_well(base, tmp_path):
    assert "could not be tried" in await why_not(tmp_path / "none", base, ["worker", "start"])


class Replaced:
    """What the program was replaced by."""

    def __init__(self, monkeypatch, place, newer):
        monkeypatch.setattr(sys, "argv", ["poolhand", "worker", "start", "--name", "ann"])
        own = place / "version-0123" / "env"
        self.installation = Installation.of(own, sys.executable, {})
        program(self.installation.command(NEW), newer)
        self.takeover, self.words = Takeover(self.installation, release=NEW), None

    async def done(self, base):
        await take_over(self.takeover, base, lambda words: setattr(self, "words", tuple(words)))


async def test_one_that_comes_up_is_what_services_start_and_this_program_becomes(
    monkeypatch, place, base
):
    replaced = Replaced(monkeypatch, place, "exit 0")
    await replaced.done(base)
    assert (place / "current").resolve() == place / f"version-{'b' * 16}"
    command = str(place / "current/env/bin/poolhand")
    assert replaced.words == (command, "worker", "start", "--name", "ann")
    assert replaced.installation.failure(NEW) is None


async def test_one_that_does_not_come_up_changes_nothing_and_is_remembered(
    monkeypatch, place, base
):
    replaced = Replaced(monkeypatch, place, "echo no such setting; exit 2")
    await replaced.done(base)
    assert (place / "current").resolve() == place / "version-0123"
    own = str(place / "version-0123/env/bin/poolhand")
    assert replaced.words == (own, "worker", "start", "--name", "ann")
    assert "no such setting" in replaced.installation.failure(NEW).cause


async def test_without_a_version_to_take_over_nothing_is_done(monkeypatch, place, base):
    replaced = Replaced(monkeypatch, place, "exit 0")
    replaced.takeover.release = None
    await replaced.done(base)
    assert replaced.words is None


@pytest.mark.parametrize(
    ("flags", "obstacle"),
    [
        ({}, "--password-file"),
        ({"password-file": "-"}, "--password-file"),
        ({"password-file": "secret", "wallet-password": "x"}, "--password-file"),
        ({"password-file": "secret"}, None),
        ({"signer": "/run/signer"}, None),
    ],
)
def test_whoever_could_not_be_told_its_password_again_is_not_replaced(place, flags, obstacle):
    wanted = {"pool-address": "0x" + "02" * 20}
    environ = {"POOLHAND_WALLET_PASSWORD": flags.pop("wallet-password", "")}
    config = place / "worker.toml"
    config.write_text("".join(f'{key} = "{value}"\n' for key, value in flags.items()))
    found = load(WORKER_OPTIONS, wanted, environ, config)
    takeover = takeover_of(found, {}, str(place / "version-0123" / "env"))
    assert (takeover.installation is None) == (obstacle is not None)
    assert (obstacle or "") in takeover.obstacle


def test_a_program_that_was_installed_otherwise_says_how_it_is_replaced():
    found = load(WORKER_OPTIONS, {"pool-address": "0x" + "02" * 20}, {}, None)
    assert "as you have installed this one" in takeover_of(found, {}).obstacle
