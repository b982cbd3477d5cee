"""Stakes and rewards, to the nRLC (specification, section 16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.ids import Address
from poolhand.domain.reward import finalize_shares, kitty_share, scheduler_stake
from poolhand.domain.trust import Weight
from poolhand.domain.units import NANO_PER_RLC, NanoRlc

RLC = NANO_PER_RLC
WORKERS = [Address(bytes([number]) * 20) for number in range(1, 7)]
MONEY = st.integers(0, 10**18).map(NanoRlc)
PROVED = st.dictionaries(st.sampled_from(WORKERS), st.integers(2, 60).map(Weight), max_size=6)


def test_the_worked_example():
    """Pool price 100, share 5 %, stake 35 %: one wrong worker of four."""
    proved = dict.fromkeys(WORKERS[:3], Weight(2))
    shares = finalize_shares(NanoRlc(100 * RLC), NanoRlc(35 * RLC), 5, proved, losers=1)
    assert shares.workers == dict.fromkeys(WORKERS[:3], 42_750_000_000)
    assert shares.scheduler == 6_750_000_000
    assert scheduler_stake(NanoRlc(100 * RLC)) == 30 * RLC


def test_a_lone_worker_gets_99_percent_by_default():
    shares = finalize_shares(NanoRlc(1000), NanoRlc(300), 1, {WORKERS[0]: Weight(2)}, losers=0)
    assert (shares.workers[WORKERS[0]], shares.scheduler) == (990, 10)


def test_shares_follow_the_logarithm_of_the_weight():
    proved = {WORKERS[0]: Weight(3), WORKERS[1]: Weight(4), WORKERS[2]: Weight(8)}
    shares = finalize_shares(NanoRlc(601), NanoRlc(0), 0, proved, losers=0)
    assert list(shares.workers.values()) == [100, 200, 300]
    assert shares.scheduler == 1


def test_nobody_proved_leaves_all_to_the_scheduler():
    shares = finalize_shares(NanoRlc(100), NanoRlc(30), 5, {}, losers=2)
    assert (shares.workers, shares.scheduler) == ({}, 160)


@given(MONEY, MONEY, st.integers(0, 100), PROVED, st.integers(0, 5), MONEY)
def test_not_one_nrlc_is_made_or_lost(price, stake, percent, proved, losers, kitty):
    shares = finalize_shares(price, stake, percent, proved, losers, kitty)
    paid = sum(shares.workers.values()) + shares.scheduler
    assert paid == price + stake * losers + shares.kitty
    assert shares.workers.keys() == proved.keys()
    assert all(share >= 0 for share in (*shares.workers.values(), shares.scheduler, shares.kitty))
    quota = (price + stake * losers) * (100 - percent) // 100
    assert sum(shares.workers.values()) <= quota
    if proved:
        assert quota - sum(shares.workers.values()) < len(proved)


@pytest.mark.parametrize(
    ("kitty", "share"),
    [(0, 0), (5, 5), (RLC, RLC), (9 * RLC, RLC), (20 * RLC + 19, 2 * RLC + 1)],
)
def test_the_kitty_gives_a_tenth_but_at_least_one_rlc_if_it_has_it(kitty, share):
    assert kitty_share(NanoRlc(kitty)) == share


@pytest.mark.parametrize(
    ("price", "stake"), [(0, 0), (3, 0), (4, 1), (101, 30), (10**9, 3 * 10**8)]
)
def test_the_scheduler_stakes_30_percent_floored(price, stake):
    assert scheduler_stake(NanoRlc(price)) == stake
