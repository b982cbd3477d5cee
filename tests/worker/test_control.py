"""The operator's orders, and what of them outlives the program."""

from __future__ import annotations

import asyncio

import pytest

from poolhand.domain.availability.pause import Pause
from poolhand.domain.units import UnixSeconds, show_moment
from poolhand.store.errors import JournalFull
from poolhand.store.memory import MemoryJournal
from poolhand.worker.control import LONGEST_PAUSE_BETWEEN_CLOCK_LOOKS, Control
from poolhand.worker.idle import idle_causes


async def test_a_pause_that_cannot_be_written_down_takes_nothing_from_the_one_before(pool):
    journal = MemoryJournal()
    control = Control(pool.member, journal, pool.world.clock)
    control.pause("the disk is replaced")
    journal.failure = JournalFull("the worker's journal")
    with pytest.raises(JournalFull):
        control.pause("the disk is replaced, and the roof")
    assert pool.member.standing.paused == "the disk is replaced"
    pool.member.pause(None)
    Control(pool.member, journal.reopened(), pool.world.clock).recover()
    assert pool.member.standing.paused == "the disk is replaced"


async def test_after_a_restart_the_newest_reason_of_a_pause_holds(pool):
    journal = MemoryJournal()
    control = Control(pool.member, journal, pool.world.clock)
    for reason in ("the disk is replaced", "the disk is replaced", "so is the roof"):
        control.pause(reason)
    assert len(list(journal.read())) == 2
    control.pause("so is the roof")
    pool.member.pause(None)
    Control(pool.member, journal.reopened(), pool.world.clock).recover()
    assert pool.member.standing.paused == "so is the roof"


async def test_a_pause_ends_by_itself_and_says_when(pool):
    clock, journal = pool.world.clock, MemoryJournal()
    control = Control(pool.member, journal, clock)
    keeping = asyncio.create_task(control.keep_time())
    end = UnixSeconds(clock.now() + 60)
    control.pause("a film", end)
    await pool.world.settle()
    standing = pool.member.standing
    assert standing.paused == f"a film, until {show_moment(end)}"
    assert (standing.paused_until, control.paused_until) == (end, end)
    (cause, *_) = idle_causes(pool.teller().idle_facts())
    assert (cause.code, cause.change[:24]) == ("paused", "wait: it ends by itself;")
    clock.advance(59)
    await pool.world.settle()
    assert standing.paused is not None
    clock.advance(LONGEST_PAUSE_BETWEEN_CLOCK_LOOKS)
    await pool.world.settle()
    assert (standing.paused, standing.paused_until, list(journal.read())) == (None, None, [])
    keeping.cancel()


async def test_a_pause_is_over_soon_after_somebody_has_set_the_clock_past_its_end(pool):
    clock = pool.world.clock
    control = Control(pool.member, MemoryJournal(), clock)
    keeping = asyncio.create_task(control.keep_time())
    control.pause("a film", UnixSeconds(clock.now() + 3 * 3_600))
    await pool.world.settle()
    clock.set_by(4 * 3_600)
    clock.advance(LONGEST_PAUSE_BETWEEN_CLOCK_LOOKS)
    await pool.world.settle()
    assert pool.member.standing.paused is None
    keeping.cancel()


async def test_an_end_outlives_a_restart_and_one_that_came_meanwhile_is_kept(pool):
    clock, journal = pool.world.clock, MemoryJournal()
    end = UnixSeconds(clock.now() + 600)
    Control(pool.member, journal, clock).pause("a film", end)
    pool.member.pause(None)
    again = Control(pool.member, journal.reopened(), clock)
    again.recover()
    assert (again.pause_reason, again.paused_until) == ("a film", end)
    pool.member.pause(None)
    clock.advance(600)
    later = Control(pool.member, journal.reopened(), clock)
    later.recover()
    assert (later.pause_reason, pool.member.standing.paused) == (None, None)


async def test_a_new_order_takes_the_place_of_the_end_before(pool):
    clock, journal = pool.world.clock, MemoryJournal()
    control = Control(pool.member, journal, clock)
    keeping = asyncio.create_task(control.keep_time())
    control.pause("a film", UnixSeconds(clock.now() + 60))
    await pool.world.settle()
    control.pause("a film")
    await pool.world.settle()
    clock.advance(90)
    await pool.world.settle()
    assert (control.pause_reason, pool.member.standing.paused_until) == ("a film", None)
    control.resume()
    assert pool.member.standing.paused is None
    keeping.cancel()


def test_a_pause_that_an_earlier_version_wrote_down_has_no_end():
    assert Pause.of({"reason": "the roof", "at": 1}) == Pause("the roof")
