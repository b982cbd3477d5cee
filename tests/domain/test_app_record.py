"""One buyer's failures do not take an app from the others; several buyers' do, for a while."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.app_record import (
    FAILING_BUYERS,
    MOST_DOUBTERS,
    UNKNOWN_APP,
    AppRecord,
    app_failed,
    app_ran,
)
from poolhand.domain.ids import Address
from poolhand.domain.reputation import FIRST_REST_OF_WALLET, LONGEST_REST_OF_WALLET
from poolhand.domain.units import UnixSeconds

NOW = UnixSeconds(1_700_000_000)


def buyer(number):
    return Address(number.to_bytes(20, "big"))


def after(buyers, known=UNKNOWN_APP, *, has_paid=True):
    """Return what is known after failures for these buyers, all at one time."""
    return reduce(lambda k, n: app_failed(k, buyer(n), NOW, has_paid=has_paid), buyers, known)


@pytest.mark.case("A3")
@given(st.lists(st.integers(1, FAILING_BUYERS - 1), max_size=60), st.booleans(), st.integers(0, 3))
def test_too_few_buyers_rest_no_app_however_often_they_fail(buyers, has_paid, settled):
    known = after(buyers, AppRecord(settled), has_paid=has_paid)
    assert not known.is_resting(NOW)
    assert known.works == (settled > 0)


@pytest.mark.case("A3")
@given(st.lists(st.integers(1, 200), max_size=60))
def test_buyers_who_never_paid_here_rest_no_app_that_has_run(buyers):
    assert after(buyers, app_ran(UNKNOWN_APP), has_paid=False) == app_ran(UNKNOWN_APP)


@given(st.integers(FAILING_BUYERS, 40))
def test_of_several_buyers_each_further_one_doubles_the_rest_up_to_a_limit(count):
    known = after(range(1, count + 1))
    rest = FIRST_REST_OF_WALLET << (min(count, MOST_DOUBTERS) - FAILING_BUYERS)
    assert known.rests_until - NOW == min(rest, LONGEST_REST_OF_WALLET)
    assert not known.works
    assert after(range(1, count + 1), known) == known, "who has failed already is not counted again"


@pytest.mark.case("A3")
@given(st.lists(st.booleans(), max_size=40))
def test_wallets_that_never_paid_here_rest_a_new_app_for_minutes_in_all(pays):
    """Each buyer waits until it is sold again, as whoever would keep it from being sold must."""
    known, now, rested = UNKNOWN_APP, NOW, 0
    for number, has_paid in enumerate(pays, 1):
        known = app_failed(known, buyer(number), now, has_paid=has_paid)
        rested += max(known.rests_until - now, 0)
        now = UnixSeconds(max(known.rests_until, now))
    if sum(pays) <= FAILING_BUYERS:
        assert rested <= FIRST_REST_OF_WALLET * (MOST_DOUBTERS - FAILING_BUYERS + 1)


def test_fresh_wallets_make_no_payers_rest_longer():
    known = after(range(1, MOST_DOUBTERS), has_paid=False)
    paid = app_failed(known, buyer(99), NOW, has_paid=True)
    assert paid.rests_until - NOW == FIRST_REST_OF_WALLET


def test_one_task_that_is_settled_ends_all_doubts():
    known = app_ran(after(range(1, 9)))
    assert known.works
    assert not known.is_resting(NOW)
    assert not after([1, 2], known).is_resting(NOW)
