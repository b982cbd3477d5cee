"""`poolhand worker upgrade` beside a worker that runs, whose pool gives a newer version."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from poolhand import __version__
from poolhand.domain.release import UpgradeFailure
from poolhand.scheduler.joining.join_files import JoinPlace
from poolhand.worker.upgrading.installation import NotInstalled
from poolhand.worker.upgrading.takeover import Takeover
from small_releases import front, released, serve


class Place:
    """A *simulated* installation: notes what is installed; ``fault`` is raised instead."""

    def __init__(self):
        self.installed, self.fault, self.found = [], None, None

    async def install(self, release, script):
        assert script
        if self.fault is not None:
            raise self.fault
        self.installed.append(release)

    def failure(self, _):
        return self.found

    def failed(self, _, cause, now):
        self.found = self.found.again(cause, now) if self.found else UpgradeFailure(cause, now)

    def tidy(self):
        pass


@pytest.fixture
def given(program):
    """What the pool gives: its files."""
    with front() as (served, url):
        facts, owner = program.chain.facts, program.world.owner
        place = JoinPlace(facts.chain_id, facts.hub, program.world.workerpool, url)
        program.settings = replace(program.settings, pool_url=url)
        made = released(place, "99.1", signer=owner)
        serve(served, made)
        yield made.manifest


async def test_the_newer_version_is_shown_with_its_signer_and_hashes(program, operator, given):
    await program.starts()
    code, told = await operator.reads("upgrade", "--check")
    assert code == 0
    assert (told["version"], told["newer"]["version"]) == (__version__, "99.1")
    code, told, _ = await operator.types("upgrade", "--check")
    assert (code, str(given.owner) in told, given.wheel.sha256 in told) == (0, True, True)
    code, status = await operator.reads("status")
    assert status["upgrade"]["version"] == "99.1"
    code, told, _ = await operator.types("status")
    assert "99.1" in told


async def test_a_worker_that_does_not_replace_itself_says_what_to_do(program, operator, given):
    program.takeover = Takeover(obstacle="install it with apt")
    await program.starts()
    code, told = await operator.reads("upgrade")
    assert (code, told["error"]["code"]) == (2, "not-replaceable")
    assert "install it with apt" in told["error"]["message"]


async def test_nothing_is_ordered_without_a_yes(program, operator, given):
    program.takeover = Takeover(Place())
    await program.starts()
    code, _, told = await operator.types("upgrade")
    assert code == 2
    assert "say --yes if it is meant" in told
    assert program.takeover.installation.installed == []


async def test_what_hinders_it_from_being_installed_is_told_and_the_worker_works_on(
    program, operator, given
):
    program.takeover = Takeover(Place())
    program.takeover.installation.fault = NotInstalled("there is no room")
    await program.starts()
    code, told = await operator.reads("upgrade", "--yes")
    assert (code, told["error"]["code"]) == (4, "upgrade-failed")
    assert "there is no room" in told["error"]["message"]
    assert not program.running.done()


async def test_a_worker_that_is_there_again_as_it_was_says_why(program, operator, given):
    program.takeover = Takeover(Place())
    await program.starts()

    async def starts_again():
        await program.running
        assert program.takeover.release.version == "99.1"
        program.takeover.installation.failed(None, "it was not let in", 1)
        program.running = None
        await program.starts()

    again = asyncio.create_task(starts_again())
    code, told = await operator.reads("upgrade", "--yes")
    await again
    assert (code, told["error"]["code"]) == (4, "upgrade-failed")
    assert "it was not let in" in told["error"]["message"]


async def test_a_pool_that_is_away_is_told(program, operator):
    await program.starts()
    code, told = await operator.reads("upgrade", "--check")
    assert (code, told["error"]["code"]) == (4, "pool-down")
