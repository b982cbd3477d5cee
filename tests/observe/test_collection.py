"""What lives long is searched for cycles when nobody asked for it to be, but rarely."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress

from poolhand.observe.collection import FULL_COLLECTION_EVERY, keep_searching, without_full_searches


class Loop:
    """A cycle."""

    def __init__(self):
        self.me = self


class Hours:
    """A clock on which time passes at once, so often."""

    def __init__(self, times):
        self.left, self.slept = times, []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if len(self.slept) > self.left:
            raise asyncio.CancelledError


def full_searches():
    return gc.get_stats()[2]["collections"]


def grow():
    """Return as much that lives long as would have Python search everything several times."""
    return [[index] for index in range(500_000)]


def test_no_full_search_stops_a_program_whose_state_grows():
    before, thresholds = full_searches(), gc.get_threshold()
    with without_full_searches():
        grow()
        assert full_searches() == before
    assert gc.get_threshold() == thresholds
    grow()
    assert full_searches() > before


def searched_together():
    """Return of how many objects at most Python searches the young and the middle generation."""
    most = [0]

    def begins(phase, info):
        if phase == "start" and info["generation"] == 1:
            most.append(len(gc.get_objects(0)) + len(gc.get_objects(1)))

    gc.callbacks.append(begins)
    try:
        grow()
    finally:
        gc.callbacks.remove(begins)
    return max(most)


def test_what_is_of_middle_age_is_searched_in_small_parts():
    as_ever = searched_together()
    with without_full_searches():
        assert 0 < searched_together() < as_ever / 2


async def test_old_cycles_are_found_within_the_hour():
    with without_full_searches():
        cycle = weakref.ref(Loop())
        clock = Hours(1)
        with suppress(asyncio.CancelledError):
            await keep_searching(clock)
    assert cycle() is None
    assert clock.slept == [FULL_COLLECTION_EVERY, FULL_COLLECTION_EVERY]


def test_what_is_young_is_searched_as_always():
    with without_full_searches():
        cycle = weakref.ref(Loop())
        grow()
        assert cycle() is None
