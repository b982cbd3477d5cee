"""Ten times the tasks and workers, and hardly more work per change: counted in calls, not timed."""

from __future__ import annotations

import sys

import pytest
from bench.placement import NOW, Pool

from poolhand.domain.units import UnixSeconds

SMALL, LARGE = 200, 2000
ROUNDS = 60
MOST = 1.3
KINDS = ("computed", "lost", "bought", "arrived", "passed", "asked_why")


@pytest.fixture(scope="module")
def pools():
    return Pool(SMALL), Pool(LARGE)


def calls(pool, kind):
    """Count the calls of all functions, built-in ones too, that some changes and plans make."""
    count = 0

    def note(_frame, event, _arg):
        nonlocal count
        count += event in ("call", "c_call")

    for _ in range(ROUNDS):
        sys.setprofile(note)
        try:
            play(pool, kind)
        finally:
            sys.setprofile(None)
    return count / ROUNDS


def play(pool, kind):
    if kind == "asked_why":
        pool.planner.why_idle(next(iter(pool.planner.crew.rooms)))
    else:
        getattr(pool, kind)()
        pool.plan()


@pytest.mark.parametrize("kind", KINDS)
def test_ten_times_the_pool_is_hardly_more_work_per_change(pools, kind):
    small, large = (calls(pool, kind) for pool in pools)
    assert large <= MOST * small


def test_a_plan_ends_at_once_where_nobody_is_free(pools):
    few, many = pools
    for pool in pools:
        pool.plan()
    small, large = (calls(pool, "passed") for pool in (few, many))
    assert max(small, large) < 50
    assert large <= MOST * small


def test_tasks_that_all_who_are_free_have_had_are_tried_once():
    pool = Pool(SMALL)
    pool.planner.pass_time(UnixSeconds(NOW + 1))
    for _ in range(20):
        pool.lost()
    pool.plan()
    assert calls(pool, "passed") < 50
