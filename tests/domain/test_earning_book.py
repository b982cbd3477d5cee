"""Earnings by day and task: the same however the blocks were divided, and bounded."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.earning_book import (
    MOST_TASK_ROWS,
    DayTotal,
    EarningBook,
    gas_days,
)
from poolhand.domain.earnings import EarningEntry, by_day, by_task, midnight, sum_up
from poolhand.domain.ids import TaskId, TxHash
from poolhand.domain.units import DAY, BlockNumber, NanoRlc, UnixSeconds, Wei

BLOCK = 1_000
"""Seconds between two blocks."""
EMPTY = EarningBook(BlockNumber(0), BlockNumber(-1))


def task(number):
    return TaskId(number.to_bytes(32, "big"))


def entry(block, number=1, **amounts):
    tx = TxHash(bytes([block % 256]) * 32)
    name = None if number is None else task(number)
    return EarningEntry(UnixSeconds(block * BLOCK), tx, name, **amounts)


AMOUNTS = st.integers(0, 10**18)
SETTLED = st.builds(
    lambda block, number, amount, is_won: entry(
        block,
        number * 1_000 + block,  # a task is settled in one block
        **({"earned": NanoRlc(amount)} if is_won else {"lost": NanoRlc(amount)}),
    ),
    st.integers(0, 300),
    st.integers(0, 3),
    AMOUNTS,
    st.booleans(),
)
SPENT = st.builds(
    lambda block, number, wei: entry(block, number, gas=Wei(wei)),
    st.integers(0, 300),
    st.none() | st.integers(0, 3),
    AMOUNTS,
)
ENTRIES = st.lists(SETTLED | SPENT, max_size=30)


@given(ENTRIES, st.lists(st.integers(0, 300), max_size=6), st.integers(0, 6))
def test_ranges_that_meet_tell_what_the_whole_tells_in_whatever_order(entries, cuts, start):
    edges = [0, *sorted(cuts), 301]
    ranges = [(first, until - 1) for first, until in pairwise(edges) if first < until]
    middle = min(start, len(ranges) - 1)
    first, last = ranges[middle][0], ranges[middle][0] - 1
    book = EarningBook(BlockNumber(first), BlockNumber(last))
    for a, b in (*ranges[middle:], *reversed(ranges[:middle])):
        inside = [each for each in entries if a <= each.at // BLOCK <= b]
        book = book.plus(inside, BlockNumber(a), BlockNumber(b))
    assert (book.first, book.last) == (0, 300)
    whole, total = sum_up(entries), book.total()
    assert (total.earned, total.lost, total.gas) == (whole.earned, whole.lost, whole.gas)
    days = by_day(entries)
    assert {day: (row.earned, row.lost, row.gas) for day, row in book.days.items()} == {
        day: (each.earned, each.lost, each.gas) for day, each in days.items()
    }
    tasks = {name: each for name, each in by_task(entries).items() if name is not None}
    assert {name: (row.earned, row.lost, row.gas) for name, row in book.tasks.items()} == {
        name: (each.earned, each.lost, each.gas) for name, each in tasks.items()
    }
    won = {each.task_id for each in entries if each.earned}
    failed = {each.task_id for each in entries if each.lost}
    assert (total.won, total.failed) == (len(won), len(failed))
    assert book.since == min((each.at for each in entries), default=None)


def test_only_the_tasks_that_were_met_last_have_a_row_of_their_own():
    entries = [entry(block, block, earned=NanoRlc(1)) for block in range(MOST_TASK_ROWS + 50)]
    book = EMPTY.plus(entries, BlockNumber(0), BlockNumber(MOST_TASK_ROWS + 50))
    assert set(book.tasks) == {task(number) for number in range(50, MOST_TASK_ROWS + 50)}
    assert book.total().won == MOST_TASK_ROWS + 50


def test_two_payments_by_one_task_are_one_task():
    paid = [entry(1, 1, earned=NanoRlc(2)), entry(1, 1, earned=NanoRlc(3))]
    row = EMPTY.plus(paid, BlockNumber(0), BlockNumber(9)).total()
    assert row == DayTotal(won=1, earned=NanoRlc(5))


def test_a_week_is_today_and_the_six_days_before():
    entries = [entry(0, 1, earned=NanoRlc(1))]
    entries += [
        EarningEntry(UnixSeconds(day * DAY + 5), TxHash(bytes(32)), task(day), earned=NanoRlc(10))
        for day in (3, 4, 9)
    ]
    book = EMPTY.plus(entries, BlockNumber(0), BlockNumber(9))
    now = UnixSeconds(10 * DAY + 77)
    assert book.total(midnight(now)).earned == 0
    assert book.total(midnight(now, 6)).earned == 20
    assert book.total().earned == 31


def test_gas_lasts_as_long_as_the_pace_of_the_last_days_says():
    now = UnixSeconds(100 * DAY)
    assert gas_days(EMPTY, Wei(10), now) is None
    spent = EarningEntry(UnixSeconds(now - 2 * DAY), TxHash(bytes(32)), gas=Wei(4))
    book = EMPTY.plus([spent], BlockNumber(0), BlockNumber(9))
    assert gas_days(book, Wei(10), now) == 5.0  # 2 a day
    just = EarningEntry(UnixSeconds(now - 1), TxHash(bytes(32)), gas=Wei(24))
    book = EMPTY.plus([just], BlockNumber(0), BlockNumber(9))
    assert gas_days(book, Wei(24), now) == 1 / 24  # an hour at least
    long_ago = EarningEntry(UnixSeconds(now - 50 * DAY), TxHash(bytes(32)), gas=Wei(1))
    book = EMPTY.plus([long_ago, just], BlockNumber(0), BlockNumber(9))
    assert gas_days(book, Wei(24), now) == 6.0  # the week, less what of today is to come
    book = EMPTY.plus([long_ago], BlockNumber(0), BlockNumber(9))
    assert gas_days(book, Wei(24), now) is None
