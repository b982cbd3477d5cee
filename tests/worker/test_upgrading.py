"""A worker is replaced by a newer version between tasks, by order or by whom its operator named."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

import live_told
from poolhand import __version__
from poolhand.cli.top import parts
from poolhand.domain.errors import PoolhandError
from poolhand.domain.ids import Address
from poolhand.domain.release import Release, UpgradeFailure
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.store.memory import MemoryJournal
from poolhand.transport.pool_client import PoolDown
from poolhand.wire.handshake import Rejected, WorkerNotAllowed
from poolhand.wire.messages import Reject
from poolhand.worker.composition.upgrading import keep_new, ready_of
from poolhand.worker.control import Control
from poolhand.worker.live_words import newer
from poolhand.worker.page.sections import PAGE_SECTIONS
from poolhand.worker.standing import Hold
from poolhand.worker.upgrading.installation import (
    InstalledElsewhere,
    NotInstalled,
)
from poolhand.worker.upgrading.takeover import Takeover
from poolhand.worker.upgrading.upgrader import (
    LONGEST_PAUSE_BEFORE_FIRST_LOOK,
    PAUSE_AFTER_ANOTHER_INSTALLS,
    PAUSE_BETWEEN_RELEASE_LOOKS,
    NoSuchRelease,
    NotReplaceable,
    Upgrader,
)
from small_releases import OWNER

POOL = Address(b"\x02" * 20)
NEW = Release("99.1", OWNER.address, "a" * 64, "b" * 64)


# -------------------------------------------------------------------------------------- the worker


class Source:
    """Gives one version; ``fault`` is raised instead."""

    def __init__(self, release=NEW):
        self.release, self.fault, self.looks = release, None, 0

    async def newest(self):
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return self.release

    async def script(self, release):
        assert release == self.release
        return b"script"


class Place:
    """An installation that notes what is installed; ``fault`` is raised instead."""

    def __init__(self):
        self.installed, self.failures, self.fault = [], {}, None

    async def install(self, release, script):
        assert script == b"script"
        if self.fault is not None:
            raise self.fault
        self.installed.append(release)

    def failure(self, release):
        return self.failures.get(release)

    def failed(self, release, cause, now):
        before = self.failure(release)
        self.failures[release] = before.again(cause, now) if before else UpgradeFailure(cause, now)

    def tidy(self):
        pass


class Zero:
    def bytes(self, count):
        return bytes(count)


class Upgrading:
    """A worker in a simulated network, whose pool gives a version."""

    def __init__(self, member, world, trusted, takeover):
        self.source, self.place, self.world = Source(), Place(), world
        self.takeover = takeover or Takeover(self.place)
        self.control = Control(member, MemoryJournal(), world.clock)
        self.upgrader = Upgrader(
            self.source, self.takeover, trusted, self.control, world.clock, Zero()
        )
        self.looking = asyncio.create_task(self.upgrader.keep_looking())

    async def settles(self, seconds=0):
        self.world.clock.advance(seconds)
        await asyncio.sleep(0)
        await self.world.settle()


@pytest.fixture
async def upgrading(pool):
    made = []

    async def make(trusted=None, takeover=None):
        made.append(Upgrading(pool.member, pool.world, trusted, takeover))
        await made[0].settles()
        async with asyncio.timeout(60):
            while not made[0].source.looks:
                await made[0].settles(1)
        await made[0].settles()
        return made[0]

    yield make
    for each in made:
        each.looking.cancel()
        await asyncio.gather(each.looking, return_exceptions=True)


async def test_a_newer_version_is_told_and_without_an_order_not_installed(upgrading):
    found = await upgrading()
    told = found.upgrader.show()
    assert (told["version"], told["state"], told["by_itself"]) == ("99.1", "available", False)
    assert found.place.installed == []
    assert found.control.successor is None


async def test_an_ordered_version_is_installed_and_takes_over_once_nothing_is_held(upgrading):
    found = await upgrading()
    found.upgrader.order(NEW.requirements)
    await found.settles()
    assert found.place.installed == [NEW]
    assert found.upgrader.show()["state"] == "finishing"
    ending = asyncio.create_task(found.control.ended())
    await found.settles(5)
    await ending
    assert found.control.successor == NEW


async def test_another_version_than_the_one_that_was_shown_is_not_installed(upgrading):
    found = await upgrading()
    with pytest.raises(NoSuchRelease):
        found.upgrader.order("c" * 64)
    await found.settles()
    assert found.place.installed == []


@pytest.mark.parametrize("order", ["resume", "drain", "stop"])
async def test_any_other_order_takes_it_back(upgrading, order):
    found = await upgrading()
    found.upgrader.order(NEW.requirements)
    await found.settles()
    getattr(found.control, order)()
    assert found.control.successor is None


async def test_a_version_of_whom_the_operator_has_named_is_installed_without_an_order(upgrading):
    found = await upgrading(trusted=OWNER.address)
    assert found.place.installed == [NEW]
    assert found.control.successor == NEW


async def test_a_version_of_another_signer_than_the_named_one_is_only_told(upgrading):
    found = await upgrading(trusted=Address(b"\x07" * 20))
    assert found.upgrader.show()["state"] == "available"
    assert found.place.installed == []


async def test_an_equal_or_older_version_is_none(upgrading):
    found = await upgrading(trusted=OWNER.address)
    found.source.release = Release(__version__, OWNER.address, "a" * 64, "d" * 64)
    await found.upgrader.look()
    assert found.upgrader.show() is None


async def test_one_that_failed_is_told_and_tried_again_only_after_a_rest(upgrading, pool):
    found = await upgrading(trusted=OWNER.address)
    found.control.resume()
    found.place.installed.clear()
    found.place.fault = NotInstalled("no room")
    await found.settles(PAUSE_BETWEEN_RELEASE_LOOKS)
    told = found.upgrader.show()
    assert (told["state"], told["failure"], told["tries"]) == ("failed", "no room", 1)
    found.place.fault = None
    await found.settles(PAUSE_BETWEEN_RELEASE_LOOKS)
    assert found.place.installed == []
    found.upgrader.order(NEW.requirements)
    await found.settles()
    assert found.place.installed == [NEW], "an order is an order"
    assert Hold.DRAIN in pool.member.standing.holds


async def test_an_order_outlasts_another_worker_that_installs(upgrading):
    found = await upgrading()
    found.place.fault = InstalledElsewhere(Path("place"))
    found.upgrader.order(NEW.requirements)
    await found.settles()
    assert (found.upgrader.show()["state"], found.place.installed) == ("available", [])
    found.place.fault = None
    await found.settles(PAUSE_AFTER_ANOTHER_INSTALLS)
    assert found.place.installed == [NEW]


async def test_a_version_that_is_only_tried_takes_nothing_and_ends_once_it_was_let_in(
    upgrading, pool, tmp_path
):
    found, told = await upgrading(), []
    words = {"pool-address": str(POOL), "base-dir": str(tmp_path), "wallet": "w", "trial": "true"}
    settings = worker_settings(
        load(WORKER_OPTIONS, {**words, "chain": "arbitrum"}, {}, None), {}, 4
    )
    async with asyncio.TaskGroup() as tasks:
        keep_new(settings, pool.member, found.upgrader, tasks)
    assert "only tried" in pool.member.standing.paused
    ending = asyncio.create_task(found.control.ended())
    await found.settles(5)
    assert not ending.done()
    ready_of(settings, told.append, found.control)("url")
    await ending
    assert told == ["url"]
    assert ready_of(replace(settings, is_trial=False), None, found.control) is None


async def test_a_pool_that_tells_no_version_hinders_nothing(upgrading):
    found = await upgrading()
    looks = found.source.looks
    found.source.fault = PoolDown("away")
    await found.settles(PAUSE_BETWEEN_RELEASE_LOOKS)
    assert found.source.looks == looks + 1
    assert not found.looking.done()
    with pytest.raises(PoolhandError):
        await found.upgrader.look()


async def test_a_program_that_does_not_replace_itself_says_what_its_operator_does(upgrading):
    found = await upgrading(OWNER.address, Takeover(obstacle="install it with apt"))
    told = found.upgrader.show()
    assert (told["obstacle"], told["by_itself"]) == ("install it with apt", False)
    with pytest.raises(NotReplaceable, match="apt"):
        found.upgrader.order(NEW.requirements)


def rejected(code):
    return Rejected(Reject(code, "no", None))


async def test_who_is_refused_as_outdated_and_may_be_replaced_looks_at_once(upgrading):
    found = await upgrading(trusted=OWNER.address)
    looks = found.source.looks
    assert not found.upgrader.refused(rejected("worker-banned"))
    assert not found.upgrader.refused(WorkerNotAllowed("no"))
    assert found.upgrader.refused(rejected("worker-outdated"))
    await found.settles()
    assert found.source.looks == looks + 1


async def test_who_is_refused_as_outdated_and_may_not_be_replaced_is_not_helped(upgrading):
    found = await upgrading()
    assert not found.upgrader.refused(rejected("worker-outdated"))


def test_workers_that_start_together_do_not_ask_together():
    assert 60 <= LONGEST_PAUSE_BEFORE_FIRST_LOOK < PAUSE_BETWEEN_RELEASE_LOOKS


# ------------------------------------------------------------------------------------- what is seen


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "`poolhand worker upgrade` shows and installs it"),
        ({"by_itself": True}, "it takes over between tasks"),
        ({"obstacle": "install it with apt"}, "install it with apt"),
        ({"state": "installing"}, "it is being installed"),
        ({"state": "finishing"}, "it takes over once nothing is held"),
        ({"state": "failed", "failure": "no <b>room</b>"}, "it did not take over: no <b>room</b>"),
    ],
)
def test_page_and_terminal_tell_how_far_a_newer_version_is(members, words):
    found = {
        "version": "99.1",
        "signed_by": "0xaa",
        "state": "available",
        "by_itself": False,
        "obstacle": None,
        "failure": None,
        **members,
    }
    told = live_told.told(upgrade=found, presence=None, hours=None)
    sentence = f"version 99.1 is there, signed by 0xaa: {words}"
    assert newer(told) == sentence
    assert sentence in parts.idle(told).plain
    head = PAGE_SECTIONS["head"](told)
    assert escape(sentence) in head
    assert "<b>" not in head


def test_of_no_newer_version_nothing_is_told():
    assert newer(live_told.told(upgrade=None)) == newer(live_told.told()) == ""
    assert "version" not in PAGE_SECTIONS["head"](live_told.told(upgrade=None))
