"""How many tasks a transaction carries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.packing import (
    MOST_AHEAD,
    MOST_GAS,
    MOST_TASKS,
    OVERHEAD,
    SMALL_BLOCK,
    GasPerTask,
    ahead,
    room,
)
from poolhand.domain.units import Gas

BLOCK = Gas(30_000_000)
ENDLESS = Gas(2**50)
"""What Arbitrum tells of its blocks."""


@given(st.integers(1, 10**6), st.integers(0, 10**8))
def test_what_is_packed_fits_unless_it_is_one_task_alone(per_task, space):
    tasks = GasPerTask(Gas(per_task)).tasks(Gas(space))
    assert 1 <= tasks <= MOST_TASKS
    assert tasks == 1 or OVERHEAD + tasks * per_task <= space


def test_a_block_is_shared_by_several_transactions_and_no_transaction_is_endless():
    assert room(BLOCK, 0.15) == 4_500_000
    assert room(None, 0.15) == int(SMALL_BLOCK * 0.15)
    assert room(ENDLESS, 0.15) == MOST_GAS


def test_one_block_is_made_ready_while_another_is_mined_and_confirmed():
    assert ahead(BLOCK, 0.15, 1) == 12
    assert ahead(BLOCK, 0.15, 3) == 24
    assert ahead(BLOCK, 1.0, 1) >= 2
    assert ahead(ENDLESS, 0.15, 1) == MOST_AHEAD


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_what_a_task_takes_is_learnt_from_receipts(per_task, tasks):
    known = GasPerTask(Gas(180_000))
    for _ in range(200):
        known = known.learn(Gas(OVERHEAD + per_task * tasks), tasks)
    assert abs(known.gas - per_task) <= 8


def test_one_receipt_that_is_odd_changes_little():
    assert GasPerTask(Gas(180_000)).learn(Gas(OVERHEAD + 360_000), 1).gas == 202_500
    assert GasPerTask(Gas(1)).learn(Gas(0), 5).gas == 1
