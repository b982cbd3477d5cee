"""A bag takes what others leave: no deal and no requester waits for another's thousands."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from many import examples
from placement.pool_model import TO_COMPUTED, Model, deal_of, worker_of
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.units import UnixSeconds

BAG = 10_000


def complete_one(model):
    """Let the task that was given first complete, so that its worker is free."""
    name, worker = next((n, a.worker) for n, t in model.tasks.items() for a in t.attempts)
    model.report(name, worker, *TO_COMPUTED)
    model.see(name, ChainTaskStatus.COMPLETED)
    model.tasks.pop(name, None)
    model.planner.forget(name)


def given(model):
    made = model.planner.plan()
    model.carry_out(made)
    return [model.tasks[each.task_id].facts.deal_id for each in made]


def busy_with(size):
    """Return a pool of four slots that works on a bag."""
    model = Model()
    for number in range(1, 5):
        model.join(worker_of(number))
    model.buy(deal_of(1, size=size, requester=1))
    given(model)
    return model


@pytest.fixture(scope="module")
def busy():
    return busy_with(BAG)


def test_the_single_task_of_another_requester_has_the_next_slot(busy):
    single = deal_of(2, requester=2, at=UnixSeconds(busy.now + 60))
    busy.buy(single)
    complete_one(busy)
    assert given(busy) == [single.deal_id]


def test_a_single_task_of_the_same_requester_has_the_next_slot_too(busy):
    single = deal_of(3, requester=1, at=UnixSeconds(busy.now + 60))
    busy.buy(single)
    complete_one(busy)
    assert given(busy) == [single.deal_id]


def test_a_second_bag_gets_half_of_the_slots_and_not_more():
    model = busy_with(100)
    second = deal_of(4, size=100, requester=4, at=UnixSeconds(model.now + 60))
    model.buy(second)
    for _ in range(12):
        complete_one(model)
        given(model)
    held = Counter(t.facts.deal_id for t in model.tasks.values() for _ in t.attempts)
    assert held[second.deal_id] == 2


@settings(max_examples=examples(50), deadline=None)
@for_any(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 6))
def test_between_requesters_that_want_more_the_slots_held_differ_by_one_at_most(bags, slots):
    model = Model()
    for number in range(1, slots + 1):
        model.join(worker_of(number))
    for number, size in enumerate(bags, 1):
        model.buy(deal_of(number, size=size, requester=number))
    given(model)
    held = Counter(t.facts.deal_id for t in model.tasks.values() for _ in t.attempts)
    wanting = [n for n, size in enumerate(bags, 1) if held[deal_of(n).deal_id] < size]
    least = min((held[deal_of(n).deal_id] for n in wanting), default=slots)
    assert all(count <= least + 1 for count in held.values())
