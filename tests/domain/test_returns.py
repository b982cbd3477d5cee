"""How long a pool that was started again waits for who was there before."""

from __future__ import annotations

from poolhand.domain.returns import (
    NOBODY_RETURNS_AFTER,
    PER_SECOND,
    RETURN,
    SHARE_WAITED,
    is_awaited,
)

LONG = 10**6


def waits(*, arrived=lambda _second: 0, latest=lambda _second: 0, left=LONG):
    """Return after how many seconds a missing worker is given up."""
    return next(
        second
        for second in range(10**4)
        if not is_awaited(second, 0, arrived(second), latest(second), left)
    )


def test_where_nobody_comes_the_missing_are_given_up_after_the_longest_pause_of_a_worker():
    assert waits() == RETURN
    assert RETURN > 30


def test_while_a_crowd_keeps_coming_the_missing_are_awaited():
    crowd = 10_000

    def came(second):
        return min(second * 100, crowd)

    assert (
        waits(arrived=came, latest=lambda s: min(s, crowd // 100))
        == crowd // 100 + NOBODY_RETURNS_AFTER
    )


def test_a_few_who_come_again_and_again_hold_nothing_up():
    assert waits(arrived=lambda _: 3, latest=lambda second: second) == RETURN
    assert waits(arrived=lambda _: PER_SECOND, latest=lambda second: second) == RETURN + 1


def test_a_task_with_little_time_left_does_not_wait_for_a_crowd():
    left = 4 * SHARE_WAITED * RETURN

    def busy(second):
        return second

    assert waits(arrived=lambda _: 10**6, latest=busy, left=left) == left // SHARE_WAITED
    assert waits(arrived=lambda _: 10**6, latest=busy, left=0) == RETURN
