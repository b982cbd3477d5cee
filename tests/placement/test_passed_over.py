"""Tasks that nobody who is free can take are passed over, and remembered until somebody comes."""

from __future__ import annotations

from placement.pool_model import Model, address, deal_of, worker_of
from poolhand.domain.task.machine import Assigned, Misbehaved
from poolhand.domain.trust import Weight
from poolhand.domain.units import UnixSeconds


def test_a_task_that_nobody_free_could_take_is_given_to_who_comes_later():
    model = Model()
    model.join(worker_of(1, slots=3))
    model.buy(deal_of(trust=5))  # two more than the one worker are wanted
    assert [each.worker for each in model.planner.plan()] == [address(1)]
    assert not model.planner.plan()
    model.join(worker_of(2))
    assert [each.worker for each in model.planner.plan()] == [address(2)]


def test_a_task_that_nobody_free_can_take_holds_up_no_task_behind_it():
    model = Model()
    model.join(worker_of(1, slots=3))
    deal = deal_of(trust=5, size=2)  # what has begun comes first, and wants others
    model.buy(deal)
    given = [each.task_id for each in model.planner.plan()]
    assert given == [task_id for _, task_id in deal.tasks()]


def test_who_has_the_turn_is_told_by_what_fits_not_by_what_is_passed_over():
    model, away, free = Model(), address(7), address(1)
    urgent, later = deal_of(1, requester=1, at=UnixSeconds(model.now - 2)), deal_of(2, requester=1)
    between = deal_of(3, requester=2, at=UnixSeconds(model.now - 1))
    for deal, worker in ((urgent, free), (later, away), (between, away)):
        model.buy(deal)
        ((_, name),) = deal.tasks()
        model.feed(name, Assigned(model.now, worker, Weight(2)))
        model.feed(name, Misbehaved(model.now, worker, "it failed"))
    model.join(worker_of(1))
    (made,) = model.planner.plan()
    assert model.tasks[made.task_id].facts.deal_id == between.deal_id
