"""The moments at which time alone moves a task; ``test_task_life`` holds that there are no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placement.pool_model import NOW, PERIOD, Model, deal_of
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.task.deadlines import next_wake
from poolhand.domain.task.machine import CallRefused, DealGone, Viewed, is_settled, step
from poolhand.domain.task.rules import FORGOTTEN
from poolhand.domain.units import UnixSeconds


@pytest.fixture
def model():
    made = Model()
    made.buy(deal_of())
    return made


def task_of(model):
    return next(iter(model.tasks.values()))


def test_a_new_task_sleeps_until_nobody_may_contribute_any_more(model):
    assert next_wake(task_of(model)) == NOW + 7 * PERIOD


def test_a_task_that_is_revealed_is_woken_when_the_time_to_reveal_is_over(model):
    name = next(iter(model.tasks))
    model.see(name, ChainTaskStatus.REVEALING)
    view = replace(model.tasks[name].view, reveal_deadline=UnixSeconds(NOW + 50))
    assert next_wake(replace(model.tasks[name], view=view)) == NOW + 50


def test_a_refused_call_wakes_its_task_when_it_may_be_tried_again(model):
    name = next(iter(model.tasks))
    model.feed(name, CallRefused(NOW, "initialize", "no"))
    (refusal,) = model.tasks[name].refusals
    assert next_wake(model.tasks[name]) == refusal.not_before


def test_a_task_whose_deal_is_gone_is_woken_when_it_is_given_up(model):
    name = next(iter(model.tasks))
    model.feed(name, DealGone(NOW))
    assert next_wake(model.tasks[name]) == NOW + FORGOTTEN


def test_a_settled_task_sleeps_for_ever(model):
    task = task_of(model)
    view = replace(_viewed(model), status=ChainTaskStatus.COMPLETED)
    done, _ = step(task, Viewed(NOW, view))
    assert is_settled(done)
    assert next_wake(done) is None


def _viewed(model):
    model.see(next(iter(model.tasks)), ChainTaskStatus.ACTIVE)
    return task_of(model).view
