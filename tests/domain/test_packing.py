"""How many tasks a transaction carries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.packing import (
    MOST_AHEAD,
    MOST_GAS_PACKED,
    MOST_TASKS_PACKED,
    OVERHEAD,
    PART_OF_BLOCK,
    SMALL_BLOCK,
    GasPerTask,
    UnderWay,
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
    assert 1 <= tasks <= MOST_TASKS_PACKED
    assert tasks == 1 or OVERHEAD + tasks * per_task <= space


def test_a_block_is_shared_by_several_transactions_and_no_transaction_is_endless():
    assert room(BLOCK, 0.15) == 4_500_000
    assert room(None, 0.15) == int(SMALL_BLOCK * 0.15)
    assert room(ENDLESS, 0.15) == MOST_GAS_PACKED


@given(st.integers(1, 300_000), st.integers(1, 10))
def test_workers_are_left_their_part_of_every_block(per_task, confirmations):
    known = GasPerTask(Gas(per_task))
    tasks, under_way = known.tasks(room(BLOCK, 0.15)), UnderWay()
    while under_way.has_room(ahead(BLOCK, confirmations), known, tasks):
        under_way = under_way.sent(tasks)
    gas = under_way.transactions * OVERHEAD + under_way.tasks * per_task
    assert gas <= BLOCK * PART_OF_BLOCK * confirmations
    assert under_way.transactions <= MOST_AHEAD
    full = under_way.transactions == MOST_AHEAD
    assert full or gas >= BLOCK * PART_OF_BLOCK * confirmations - room(BLOCK, 0.15)


def test_small_transactions_are_counted_by_their_gas_not_by_their_number():
    under_way, known = UnderWay(), GasPerTask(Gas(180_000))
    for _ in range(40):
        assert under_way.has_room(ahead(BLOCK, 1), known, 1)
        under_way = under_way.sent(1)


def test_a_transaction_that_is_alone_is_never_too_large():
    assert UnderWay().has_room(Gas(1), GasPerTask(Gas(180_000)), 100)
    busy = UnderWay().sent(100)
    assert not busy.has_room(Gas(1), GasPerTask(Gas(180_000)), 1)
    assert busy.ended(100) == UnderWay()


def test_blocks_without_end_are_not_filled():
    under_way = UnderWay()
    for _ in range(MOST_AHEAD):
        under_way = under_way.sent(1)
    assert not under_way.has_room(ahead(ENDLESS, 1), GasPerTask(Gas(1)), 1)


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_what_a_task_takes_is_learnt_from_receipts(per_task, tasks):
    known = GasPerTask(Gas(180_000))
    for _ in range(200):
        known = known.learn(Gas(OVERHEAD + per_task * tasks), tasks)
    assert abs(known.gas - per_task) <= 8


def test_one_receipt_that_is_odd_changes_little():
    assert GasPerTask(Gas(180_000)).learn(Gas(OVERHEAD + 360_000), 1).gas == 202_500
    assert GasPerTask(Gas(1)).learn(Gas(0), 5).gas == 1
