"""The operator's orders, and what of them outlives the program."""

from __future__ import annotations

import pytest
from scripted_pool import ScriptedPool

from poolhand.store.errors import JournalFull
from poolhand.store.memory import MemoryJournal
from poolhand.worker.control import Control


@pytest.fixture
async def pool(tmp_path):
    made = ScriptedPool(tmp_path)
    await made.opens()
    await made.greets()
    yield made
    await made.world.stop()


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
