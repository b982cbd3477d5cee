"""Ten times the tasks and workers, and hardly more work per change: counted, not timed."""

from __future__ import annotations

import pytest
from bench.placement import NOW, Pool

from poolhand.domain.units import UnixSeconds
from work import counted

SMALL, LARGE = 200, 2000
ROUNDS = 60
MOST = 1.3
KINDS = ("computed", "lost", "bought", "arrived", "passed", "asked_why")


@pytest.fixture(scope="module")
def pools():
    return Pool(SMALL), Pool(LARGE)


def work_of(pool, kind):
    """Count what some changes and plans take, each."""
    count = 0
    for _ in range(ROUNDS):
        with counted() as work:
            play(pool, kind)
        count += work.count
    return count / ROUNDS


def play(pool, kind):
    if kind == "asked_why":
        pool.planner.why_idle(next(iter(pool.planner.crew.rooms)))
    else:
        getattr(pool, kind)()
        pool.plan()


@pytest.mark.parametrize("kind", KINDS)
def test_ten_times_the_pool_is_hardly_more_work_per_change(pools, kind):
    small, large = (work_of(pool, kind) for pool in pools)
    assert large <= MOST * small


def test_a_plan_ends_at_once_where_nobody_is_free(pools):
    few, many = pools
    for pool in pools:
        pool.plan()
    small, large = (work_of(pool, "passed") for pool in (few, many))
    assert max(small, large) < 500
    assert large <= MOST * small


def test_tasks_that_all_who_are_free_have_had_are_tried_once():
    pool = Pool(SMALL)
    pool.planner.pass_time(UnixSeconds(NOW + 1))
    for _ in range(20):
        pool.lost()
    pool.plan()
    assert work_of(pool, "passed") < 500
