"""Why a worker idles: every open task is counted once, under a reason that is true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from planner_world import NOW, assigned, connected, deal_of, plan, planned, tasks_of, viewed

from poolhand.domain.onchain import (
    ChainTaskStatus,
)
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.tag import Tag
from poolhand.domain.task import machine
from poolhand.domain.task.idle import IdleReason, stake_missing, tasks_seen
from poolhand.domain.task.machine import Lost
from poolhand.domain.units import NanoRlc


def test_a_worker_without_any_open_task_is_told_so():
    _, idle = planned([], [], [connected(1)])
    assert idle[connected(1).worker] == {IdleReason.NO_OPEN_TASK: 0}
    assert tasks_seen(idle[connected(1).worker]) == 0


def test_every_reason_is_counted_and_together_they_are_the_tasks_seen():
    me, rich, n = (
        connected(1, slots=1, stake=40),
        connected(2, slots=9, stake=10**6),
        iter(range(1, 99)),
    )
    had = assigned(tasks_of(deal_of(next(n)), Flow.STANDARD)[0], me)
    had, _ = machine.step(had, Lost(NOW, me.worker))
    enough = assigned(tasks_of(deal_of(next(n)))[0], rich)
    closed = viewed(tasks_of(deal_of(next(n)))[0], {}, ChainTaskStatus.REVEALING)
    unsure, unknown = tasks_of(deal_of(next(n)))[0], tasks_of(deal_of(next(n)))[0]
    dear = [deal_of(next(n), stake=NanoRlc(price), trust=5) for price in (90, 70)]
    gpu, tee = deal_of(next(n), tag=Tag.of(["gpu"])), deal_of(next(n), tag=Tag.of(["tee", "scone"]))
    tasks = [had, enough, closed, unsure, unknown, *tasks_of(gpu), *tasks_of(tee)]
    tasks += [each for deal in dear for each in tasks_of(deal)]
    deals = [deal_of(1), deal_of(2), deal_of(3), deal_of(4), *dear, gpu, tee]
    made, idle = planned(tasks, deals, [me], {unsure.facts.task_id})
    assert not made
    assert idle[me.worker] == {
        IdleReason.HAD_IT: 1,
        IdleReason.ENOUGH: 1,
        IdleReason.CLOSED: 1,
        IdleReason.UNSURE: 2,
        IdleReason.NEEDS_GPU: 1,
        IdleReason.NEEDS_TEE: 1,
        IdleReason.STAKE_TOO_LOW: 2,
        IdleReason.STAKE_MISSING: 30,
    }
    assert tasks_seen(idle[me.worker]) == len(tasks) == 9
    assert stake_missing(idle[me.worker]) == 30


def test_who_deposits_what_is_missing_is_given_the_cheapest_task():
    deals = [deal_of(n, stake=NanoRlc(price), trust=5) for n, price in ((1, 90), (2, 70))]
    tasks = [each for deal in deals for each in tasks_of(deal)]
    _, idle = planned(tasks, deals, [connected(1, stake=40)])
    missing = stake_missing(idle[connected(1).worker])
    assert not planned(tasks, deals, [connected(1, stake=40 + missing - 1)])[0]
    made, _ = planned(tasks, deals, [connected(1, stake=40 + missing)])
    assert [each.task_id for each in made] == [tasks[1].facts.task_id]


def test_a_busy_worker_is_told_of_its_slots_and_of_tasks_that_others_have():
    deal = deal_of(size=4)
    tasks, me, other = tasks_of(deal), connected(1), connected(2, slots=2)
    tasks[0] = assigned(tasks[0], me)
    made, idle = planned(tasks, [deal], [me, other])
    assert len(made) == 2
    assert idle == {me.worker: {IdleReason.ENOUGH: 3, IdleReason.BUSY: 1}}


def test_a_pool_short_of_gas_puts_nothing_new_on_chain_and_goes_on_with_what_is_there():
    fresh, begun = deal_of(1, trust=5), deal_of(2, trust=5)
    there = viewed(tasks_of(begun)[0], {})
    tasks, deals = [*tasks_of(fresh), there], {d.deal_id: d for d in (fresh, begun)}
    made, idle = plan(
        tasks, deals, [connected(1, slots=4), connected(2, slots=0)], can_initialize=False
    )
    assert [each.task_id for each in made] == [there.facts.task_id]
    assert idle[connected(2).worker] == {IdleReason.POOL_OUT_OF_GAS: 1, IdleReason.BUSY: 1}


@given(
    trusts=st.lists(st.sampled_from([1, 2, 5, 10]), min_size=0, max_size=8),
    slots=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    stakes=st.lists(st.integers(0, 90), min_size=5, max_size=5),
    unsure=st.sets(st.integers(0, 7)),
)
def test_the_counts_of_any_idle_worker_add_up_to_the_open_tasks(trusts, slots, stakes, unsure):
    deals = [deal_of(n, trust=trust) for n, trust in enumerate(trusts, 1)]
    tasks = [task for deal in deals for task in tasks_of(deal, Flow.STANDARD)]
    workers = [connected(n, slots=slot, stake=stakes[n - 1]) for n, slot in enumerate(slots, 1)]
    doubted = {tasks[n].facts.task_id for n in unsure if n < len(tasks)}
    _, idle = planned(tasks, deals, workers, doubted)
    for reasons in idle.values():
        assert tasks_seen(reasons) == len(tasks)
        assert reasons.keys() <= {each.value for each in IdleReason}
