"""A pool's own lateness: excused for a window, and not for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.placement.attention import LONGEST_STANDSTILL, Attention
from poolhand.domain.units import Seconds, UnixSeconds

WINDOW = Seconds(5)
START = UnixSeconds(1_000)


def test_a_pool_that_never_stood_still_is_sure():
    assert Attention().is_sure(START, WINDOW)


def test_a_pool_that_stood_still_is_sure_again_once_it_has_listened_for_a_window():
    stood = Attention().stood_still(START, WINDOW)
    sure = [stood.is_sure(UnixSeconds(START + n), WINDOW) for n in range(7)]
    assert sure == [False] * 5 + [True] * 2


@given(st.lists(st.integers(0, WINDOW + 1), max_size=40))
def test_a_pool_that_stands_still_again_and_again_holds_time_back_for_no_longer(gaps):
    """Never longer than ``LONGEST_STANDSTILL`` at a stretch, whatever happens; and at most a window after."""
    attention, now, unsure_since = Attention(), START, None
    for gap in gaps:
        for _ in range(gap):
            now = UnixSeconds(now + 1)
            if attention.is_sure(now, WINDOW):
                unsure_since = None
            else:
                unsure_since = unsure_since or now
                assert now - unsure_since < LONGEST_STANDSTILL
        attention = attention.stood_still(now, WINDOW)
    assert attention.is_sure(UnixSeconds(now + WINDOW), WINDOW)


def test_a_later_stop_is_a_new_one():
    first = Attention().stood_still(START, WINDOW)
    later = UnixSeconds(START + LONGEST_STANDSTILL)
    assert not first.stood_still(later, WINDOW).is_sure(later, WINDOW)
