"""A newer version is believed by its signature, and installed beside; nothing else changes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from poolhand import __version__
from poolhand.domain.ids import Address
from poolhand.domain.release import Release, UpgradeFailure
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.joining.join_files import JoinPlace
from poolhand.wire.handshake import PoolFacts
from poolhand.wire.join_api import NotTheOwnersFiles
from poolhand.worker.upgrading.installation import (
    Installation,
    InstalledElsewhere,
    NotInstalled,
)
from poolhand.worker.upgrading.pool_releases import PoolReleases
from small_releases import OWNER, front, released, serve

HUB, POOL = Address(b"\x01" * 20), Address(b"\x02" * 20)
NEW = Release("99.1", OWNER.address, "a" * 64, "b" * 64)


class Owned:
    """A chain that tells who owns the pool."""

    def __init__(self, owner=OWNER.address):
        self.owner = owner

    async def workerpool(self, _):
        return SimpleNamespace(owner=self.owner)


@pytest.fixture
def giver():
    with front() as (served, url):
        yield SimpleNamespace(
            served=served,
            url=url,
            place=JoinPlace(31337, HUB, POOL, url),
            hub=Owned(),
            facts=PoolFacts(31337, HUB, POOL, url),
        )


def releases(giver):
    return PoolReleases(giver.facts, giver.hub)


# --------------------------------------------------------------------------------------- believing


async def test_what_the_pools_owner_signed_is_told(giver):
    made = released(giver.place, "99.1")
    serve(giver.served, made)
    found = await releases(giver).newest()
    assert (found.version, found.signer) == ("99.1", OWNER.address)
    assert found.requirements == made.manifest.requirements.sha256
    assert await releases(giver).script(found) == made.script


async def test_the_signature_of_whoever_owned_the_pool_before_counts_no_more(giver):
    serve(giver.served, released(giver.place, "99.1"))
    giver.hub.owner = Wallet.from_key(bytes([9] * 32)).address
    with pytest.raises(NotTheOwnersFiles, match="nothing is installed"):
        await releases(giver).newest()


async def test_a_version_that_was_altered_after_it_was_signed_is_refused(giver):
    made = released(giver.place, "99.1")
    altered = made.manifest.model_copy(update={"version": "99.2"})
    giver.served["/join/manifest.json"] = altered.model_dump_json().encode()
    with pytest.raises(NotTheOwnersFiles, match="did not sign"):
        await releases(giver).newest()


async def test_files_of_another_pool_of_the_same_owner_are_refused(giver):
    other = JoinPlace(31337, HUB, Address(b"\x03" * 20), giver.url)
    serve(giver.served, released(other, "99.1"))
    with pytest.raises(NotTheOwnersFiles, match="another pool"):
        await releases(giver).newest()


async def test_a_script_that_was_not_signed_is_not_run(giver):
    serve(giver.served, released(giver.place, "99.1"))
    found = await releases(giver).newest()
    giver.served["/join.sh"] += b"\n"
    with pytest.raises(NotTheOwnersFiles, match="script"):
        await releases(giver).script(found)


async def test_a_version_that_is_no_more_given_is_not_exchanged_for_another(giver):
    serve(giver.served, released(giver.place, "99.1"))
    found = await releases(giver).newest()
    serve(giver.served, released(giver.place, "99.2"))
    with pytest.raises(NotTheOwnersFiles, match="another version"):
        await releases(giver).script(found)


# -------------------------------------------------------------------------------------- installing


@pytest.fixture
def place(tmp_path):
    """The folder of the join script, with one version in it."""
    own = tmp_path / "place" / "version-0123"
    (own / "env").mkdir(parents=True)
    (own / "installed").touch()
    (tmp_path / "place" / "current").symlink_to(own)
    return tmp_path / "place"


def installation(place, **environ):
    told = {**os.environ, "PIP_CONFIG_FILE": os.devnull, **environ}
    found = Installation.of(place / "version-0123" / "env", os.path.realpath(sys.executable), told)
    assert found is not None
    return found


def test_only_what_the_join_script_has_installed_replaces_itself(place, tmp_path):
    assert Installation.of(Path(sys.prefix), sys.executable, {}) is None
    assert Installation.of(tmp_path / "env", sys.executable, {}) is None
    (place / "current").unlink()
    assert Installation.of(place / "version-0123" / "env", sys.executable, {}) is None


async def test_a_version_is_installed_beside_and_nothing_else_changes(giver, place):
    made = released(giver.place, "99.1")
    serve(giver.served, made)
    found = await releases(giver).newest()
    into = installation(place)
    await into.install(found, made.script)
    assert (place / "current").resolve() == place / "version-0123"
    assert into.command(found).exists()
    assert not list(place.glob("upgrade-*"))
    into.switch(found)
    assert (place / "current").resolve() == into.folder(found)
    assert into.current.exists()


async def test_a_version_that_says_it_is_another_would_be_installed_for_ever_and_is_refused(
    giver, place
):
    made = released(giver.place, "99.1", says=__version__)
    serve(giver.served, made)
    with pytest.raises(NotInstalled, match=f"says that it is 'poolhand {__version__}'"):
        await installation(place).install(await releases(giver).newest(), made.script)


async def test_a_wheel_that_was_not_signed_is_not_installed(giver, place):
    made = released(giver.place, "99.1")
    serve(giver.served, made)
    giver.served[made.manifest.wheel.path] += b"\n"
    with pytest.raises(NotInstalled, match="not the file that this script was made for"):
        await installation(place).install(await releases(giver).newest(), made.script)


async def test_an_installer_is_told_no_secret_of_the_worker(place, tmp_path):
    script = f'env > "{tmp_path}/told"; exit 3'.encode()
    with pytest.raises(NotInstalled):
        await installation(place, POOLHAND_WALLET_PASSWORD="sesame", HTTPS_PROXY="p").install(
            NEW, script
        )
    told = (tmp_path / "told").read_text()
    assert "sesame" not in told
    assert f"POOLHAND_PLACE={place}" in told
    assert "HTTPS_PROXY=p" in told


async def test_two_workers_of_one_computer_do_not_install_at_once(giver, place):
    made = released(giver.place, "99.1")
    serve(giver.served, made)
    found = await releases(giver).newest()
    both = (installation(place).install(found, made.script) for _ in range(2))
    done = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(each) for each in done if each is not None) == [InstalledElsewhere]
    await installation(place).install(found, made.script)


def test_why_a_version_failed_is_remembered_and_counted(place):
    into = installation(place)
    assert into.failure(NEW) is None
    into.failed(NEW, "no", 7)
    into.failed(NEW, "no again", 8)
    assert installation(place).failure(NEW) == UpgradeFailure("no again", 8, 2)
    next(place.glob("*.failed")).write_text('{"cause": 1}')
    assert into.failure(NEW) is None


def test_versions_that_nothing_needs_are_removed_and_no_other(place):
    for number in range(5):
        (place / f"version-{number}").mkdir()
    running = place / "version-1" / "program"
    running.write_text("import sys; print(flush=True); sys.stdin.read()")
    for number in range(5):
        os.utime(place / f"version-{number}", (number, number))
    os.utime(place / "version-0123", (0, 0))
    with PipedProgram(running):
        installation(place).tidy()
    left = sorted(each.name for each in place.glob("version-*"))
    assert left == ["version-0123", "version-1", "version-2", "version-3", "version-4"]
    installation(place).tidy()
    left = sorted(each.name for each in place.glob("version-*"))
    assert left == ["version-0123", "version-2", "version-3", "version-4"]


class PipedProgram:
    """A program that runs until it is left."""

    def __init__(self, path):
        self._path = path

    def __enter__(self):
        pipe = subprocess.PIPE
        self._running = subprocess.Popen((sys.executable, self._path), stdin=pipe, stdout=pipe)
        self._running.stdout.readline()
        return self

    def __exit__(self, *_):
        self._running.communicate()
