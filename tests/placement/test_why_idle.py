"""Why a worker is idle, worked out from counts, is what going through all tasks tells."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from placement.pool_model import Model, deal_of, worker_of
from placement.test_same_as_oracle import RULES, Player, Story
from poolhand.domain.task.idle import IdleReason, tasks_seen


@settings(max_examples=examples(300), deadline=None)
@given(Story, st.integers(0, 2**16))
def test_when_nothing_is_left_to_give_the_reasons_are_those_of_the_oracle(story, seed):
    model = Model(RULES, seed)
    player = Player(model, requesters=3, deals=True, sources=False)
    for kind, number in story:
        player.play(kind, number)
        while made := model.planner.plan():
            model.carry_out(made)
        _, idle = model.oracle()
        for worker, told in idle.items():
            found = model.planner.why_idle(worker)
            assert _plain(found) == _plain(told)
            assert tasks_seen(found) == len(model.tasks)


def _plain(told):
    """Count "turn lost" and "no slot now" as one: who rests and has no slot is told either.

    The oracle tells one or the other by whether those that will soon have a slot have had the task
    in question; that is known of each task, and not counted.
    """
    counts = dict(told)
    for_now = (IdleReason.RESTING, IdleReason.BUSY, IdleReason.TOO_MUCH_WAITS)
    together = sum(counts.pop(each, 0) for each in for_now)
    return counts | {"for now": together}


def test_who_rests_while_another_will_have_a_slot_is_told_that_its_turn_is_lost():
    model = Model()
    model.join(worker_of(1))
    model.judge(worker_of(1).worker, fault=True)
    model.join(worker_of(2))
    model.buy(deal_of(1, size=2))
    model.carry_out(model.planner.plan())
    assert model.planner.why_idle(worker_of(1).worker)[IdleReason.RESTING] == 1


def test_the_commonest_reason_is_told_first():
    model = Model()
    model.join(worker_of(1, stake=0))
    model.buy(deal_of(1, trust=2, size=3))
    model.join(worker_of(2, slots=1))
    model.carry_out(model.planner.plan())
    told = list(model.planner.why_idle(worker_of(1).worker))
    assert told[0] == IdleReason.STAKE_TOO_LOW


def test_of_a_worker_that_is_not_there_nothing_is_told():
    assert not Model().planner.why_idle(worker_of(1).worker)
