"""What a wallet is lent: little at first, more with what it proves, less with each fault."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.reputation import (
    FIRST_REST_OF_WALLET,
    LONGEST_REST_OF_WALLET,
    MOST_CREDIT,
    NEWCOMER,
    VOUCHED,
    blamed,
    praised,
)
from poolhand.domain.units import UnixSeconds

NOW = UnixSeconds(1_700_000_000)
LIVES = st.lists(st.booleans(), max_size=80)


def after(life, known=NEWCOMER):
    """Return what is known after tasks that were settled (True) or not, all at one time."""
    return reduce(lambda k, well: praised(k) if well else blamed(k, NOW), life, known)


def test_slots_double_with_each_task_settled_up_to_what_is_claimed_and_there():
    found = [after([True] * count).slots(100, 7, 2) for count in range(4)]
    assert found == [2, 4, 7, 7]
    assert after([True] * 9).slots(5, 7, 2) == 5


@given(LIVES, st.integers(0, 65_535), st.integers(0, 65_535), st.integers(1, 16))
def test_nobodys_word_about_itself_counts_beyond_what_was_proved(life, claimed, cpus, newcomers):
    slots = after(life).slots(claimed, cpus, newcomers)
    assert slots <= min(claimed, cpus)
    assert slots <= newcomers * 2 ** sum(life)


@given(LIVES)
def test_a_success_forgives_every_fault(life):
    known = praised(after(life))
    assert known.is_proved
    assert not known.is_resting(NOW)
    assert known.faults == 0


@given(LIVES)
def test_a_fault_costs_the_turn_the_proof_and_half_the_credit(life):
    before = after(life)
    known = blamed(before, NOW)
    assert not known.is_proved
    assert known.is_resting(NOW)
    assert known.credit == max(before.credit // 2, 1)
    assert known.rests_until >= before.rests_until


def test_each_further_fault_doubles_the_rest_up_to_a_bound():
    rests = [after([False] * count).rests_until - NOW for count in range(1, 14)]
    assert rests[:4] == [
        FIRST_REST_OF_WALLET,
        2 * FIRST_REST_OF_WALLET,
        4 * FIRST_REST_OF_WALLET,
        8 * FIRST_REST_OF_WALLET,
    ]
    assert rests[-1] == LONGEST_REST_OF_WALLET
    assert after([False] * 500).rests_until - NOW == LONGEST_REST_OF_WALLET


@given(LIVES)
def test_whatever_happens_the_record_stays_small(life):
    known = after(life, VOUCHED)
    assert 1 <= known.credit <= MOST_CREDIT
    assert 0 <= known.faults <= len(life)


@given(st.integers(0, 12), st.integers(1, 20))
def test_the_faults_that_are_tolerated_cost_no_turn(tolerated, count):
    known, strict = NEWCOMER, NEWCOMER
    for _ in range(count):
        known, strict = blamed(known, NOW, tolerated), blamed(strict, NOW)
    assert known.is_resting(NOW) is (count > tolerated)
    assert known.rests_until == after([False] * max(count - tolerated, 0)).rests_until
    assert (known.faults, known.credit) == (strict.faults, strict.credit)
