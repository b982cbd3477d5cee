"""The plan: nobody computes what cannot matter, nobody gets more than it can take."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planner_world import (
    NOW,
    STAKE,
    T,
    assigned,
    connected,
    contribution,
    deal_of,
    planned,
    tasks_of,
    viewed,
)

from poolhand.domain.ids import ResultDigest
from poolhand.domain.onchain import (
    ChainTaskStatus,
)
from poolhand.domain.placement.room import WAITING_PER_SLOT
from poolhand.domain.replicate.machine import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.reputation import VOUCHED, blamed
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.task import machine
from poolhand.domain.task.idle import stake_missing, tasks_seen
from poolhand.domain.task.machine import Lost
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.trust import Weight
from poolhand.domain.units import UnixSeconds


@pytest.mark.parametrize(("trust", "count"), [(1, 1), (3, 2), (5, 3), (10, 4), (50, 6), (100, 7)])
def test_as_many_newcomers_as_the_contracts_formula_asks_and_not_one_more(trust, count):
    deal = deal_of(trust=trust)
    made, _ = planned(tasks_of(deal), [deal], [connected(n) for n in range(1, 12)])
    assert len(made) == count


def test_workers_with_a_score_are_fewer():
    deal = deal_of(trust=10)
    made, _ = planned(tasks_of(deal), [deal], [connected(n, score=30) for n in range(1, 9)])
    assert len(made) == 2  # weight 9 each: 81 × 10 > 82 × 9


def test_those_at_work_count_and_those_that_are_lost_do_not():
    deal, workers = deal_of(trust=10), [connected(n) for n in range(1, 9)]
    (task,) = tasks_of(deal)
    task = assigned(task, *workers[:3])
    assert len(planned([task], [deal], workers)[0]) == 1
    task, _ = machine.step(task, Lost(NOW, workers[0].worker))
    assert len(planned([task], [deal], workers)[0]) == 2


def test_a_contribution_that_disagrees_asks_for_more():
    deal, workers = deal_of(trust=5), [connected(n) for n in range(1, 12)]
    (task,) = tasks_of(deal)
    task = assigned(task, *workers[:3])
    agreed = {s.worker: contribution(task, s.worker) for s in workers[:2]}
    liar = workers[2].worker
    split = viewed(task, {**agreed, liar: contribution(task, liar, ResultDigest(bytes(32)))})
    more = len(planned([split], [deal], workers)[0])
    total, strength = 1 + 2 + 4 * 2**more, 4 * 2**more
    assert strength * 5 > total * 4
    assert 4 * 2 ** (more - 1) * 5 <= (1 + 2 + 4 * 2 ** (more - 1)) * 4


def test_a_task_is_given_once_to_a_worker():
    deal, only = deal_of(trust=10), connected(1, slots=9)
    made, _ = planned(tasks_of(deal), [deal], [only])
    assert len(made) == 1
    task = assigned(tasks_of(deal)[0], only)
    lost, _ = machine.step(task, Lost(NOW, only.worker))
    made, idle = planned([lost], [deal], [only])
    assert not made
    assert idle[only.worker] == Counter({"has had a replicate of this task": 1})


def test_nobody_gets_more_than_it_has_slots():
    deal = deal_of(size=10)
    made, _ = planned(tasks_of(deal), [deal], [connected(1, slots=3), connected(2, slots=2)])
    assert Counter(each.worker for each in made) == {connected(1).worker: 3, connected(2).worker: 2}


def test_work_is_spread_over_the_workers():
    deal = deal_of(size=4)
    made, _ = planned(tasks_of(deal), [deal], [connected(n, slots=4) for n in range(1, 5)])
    assert set(Counter(each.worker for each in made).values()) == {1}


def test_stake_limits_what_a_worker_gets_in_the_standard_flow_alone():
    deal, poor = deal_of(size=5), connected(1, slots=5, stake=70)
    standard, idle = planned(tasks_of(deal, Flow.STANDARD), [deal], [poor])
    quick, _ = planned(tasks_of(deal), [deal], [poor])
    assert (len(standard), len(quick)) == (2, 5)
    broke = connected(2, slots=5, stake=29)
    _, idle = planned(tasks_of(deal, Flow.STANDARD), [deal], [broke])
    assert idle[broke.worker] == {"stake too low": 5, "nRLC of stake missing": 1}
    assert tasks_seen(idle[broke.worker]) == 5
    assert stake_missing(idle[broke.worker]) == 1


def test_results_that_wait_for_the_chain_are_not_piled_up_without_end():
    deal, only = deal_of(size=100), connected(1, slots=1)
    tasks = tasks_of(deal)
    done = [machine.step(assigned(t, only), _computed(only))[0] for t in tasks[:WAITING_PER_SLOT]]
    made, idle = planned([*done, *tasks[WAITING_PER_SLOT:]], [deal], [only])
    assert not made
    assert "too many results wait for the chain" in idle[only.worker]
    made, _ = planned([*done[:-1], *tasks[WAITING_PER_SLOT:]], [deal], [only])
    assert len(made) == 1


def _computed(who):
    S = Status  # noqa: N806

    path = (S.RUNNING, S.APP_DOWNLOADING, S.APP_DOWNLOADED, S.DATA_DOWNLOADING,
            S.DATA_DOWNLOADED, S.COMPUTING, S.COMPUTED)  # fmt: skip
    return machine.Reported(NOW, who.worker, 0, tuple(Entry(s, NOW) for s in path))


def test_tags_are_respected():
    gpu, tee = deal_of(1, tag=Tag.of(["gpu"])), deal_of(2, tag=Tag.of(["tee", "scone"]))
    tasks = [*tasks_of(gpu), *tasks_of(tee)]
    plain, able = connected(1, slots=4), connected(2, slots=4, gpus=1)
    made, idle = planned(tasks, [gpu, tee], [plain])
    assert not made
    assert idle[plain.worker] == Counter({"task needs a GPU": 1, "task needs a TEE": 1})
    made, _ = planned(tasks, [gpu, tee], [plain, able])
    assert [(each.task_id, each.worker) for each in made] == [(tasks[0].facts.task_id, able.worker)]


@pytest.mark.parametrize("framework", TeeFramework)
def test_a_confidential_task_is_given_to_who_has_proved_its_framework(framework):
    deal = deal_of(1, tag=framework.tag)
    tasks = tasks_of(deal)
    others = tuple(each for each in TeeFramework if each is not framework)
    other, able = connected(1, slots=4, tee=others), connected(2, slots=4, tee=(framework.value,))
    made, idle = planned(tasks, [deal], [other])
    assert not made
    assert idle[other.worker] == Counter({"task needs a TEE": 1})
    made, _ = planned(tasks, [deal], [other, able])
    assert [each.worker for each in made] == [able.worker]


def test_a_confidential_task_without_one_framework_is_given_to_nobody():
    deal = deal_of(1, tag=Tag.of(["tee"]))
    every = connected(1, slots=4, tee=tuple(TeeFramework))
    made, idle = planned(tasks_of(deal), [deal], [every])
    assert not made
    assert idle[every.worker] == Counter({"task needs a TEE": 1})


def test_as_many_tasks_that_need_a_gpu_are_given_as_there_are_gpus_and_plain_ones_beside():
    gpu, plain = deal_of(1, tag=Tag.of(["gpu"]), size=4), deal_of(2, size=4)
    tasks, able = [*tasks_of(gpu), *tasks_of(plain)], connected(1, slots=5, gpus=2)
    made, _ = planned(tasks, [gpu, plain], [able])
    given = Counter(next(t for t in tasks if t.facts.task_id == e.task_id).facts.tag for e in made)
    assert given == {Tag.of(["gpu"]): 2, NO_TAG: 3}
    held = [assigned(each, able) for each in tasks[:2]]
    made, idle = planned([*held, *tasks[2:4]], [gpu], [able])
    assert not made
    assert idle[able.worker] == Counter({"all GPUs busy": 2, "task has enough replicates": 2})
    computed = machine.step(held[0], _computed(able))[0]
    made, _ = planned([computed, held[1], *tasks[2:4]], [gpu], [able])
    assert [each.task_id for each in made] == [tasks[2].facts.task_id]


def test_who_rests_waits_for_a_gpu_of_one_that_does_not():
    gpu = deal_of(1, tag=Tag.of(["gpu"]), size=3)
    tasks, able = tasks_of(gpu), connected(1, slots=5, gpus=1)
    rests = connected(2, slots=5, gpus=1, reputation=blamed(VOUCHED, NOW))
    held = assigned(tasks[0], able)
    made, idle = planned([held, *tasks[1:]], [gpu], [able, rests])
    assert not made
    assert idle[rests.worker]["turn lost for a while"] == 2
    made, _ = planned([held, *tasks[1:]], [gpu], [rests])
    assert [each.worker for each in made] == [rests.worker]


def test_a_paused_worker_gets_nothing():
    deal = deal_of()
    made, idle = planned(
        tasks_of(deal), [deal], [connected(1, paused=True, reason="the pool drains")]
    )
    assert not made
    assert idle[connected(1).worker] == Counter({"worker is paused": 1})


def test_what_has_begun_comes_first_then_the_nearest_deadline():
    late, soon = deal_of(1), deal_of(2)
    begun = deal_of(3, trust=5)
    started = assigned(tasks_of(begun)[0], connected(7))
    tasks = [*tasks_of(late), *tasks_of(soon, deadline=NOW + 2 * T), started]
    made, _ = planned(tasks, [late, soon, begun], [connected(1)])
    assert made[0].task_id == started.facts.task_id
    made, _ = planned(tasks[:2], [late, soon], [connected(1)])
    assert made[0].task_id == tasks[1].facts.task_id


@pytest.mark.parametrize("status", [ChainTaskStatus.REVEALING, ChainTaskStatus.COMPLETED])
def test_a_task_that_takes_no_contribution_is_given_to_nobody(status):
    deal = deal_of(trust=5)
    task = viewed(tasks_of(deal)[0], {}, status)
    assert not planned([task], [deal], [connected(1)])[0]


def test_a_task_past_its_contribution_deadline_is_given_to_nobody():
    deal = deal_of(trust=5)
    task = viewed(tasks_of(deal)[0], {}, now=UnixSeconds(NOW + 7 * T))
    assert not planned([task], [deal], [connected(1)])[0]


def test_a_task_whose_deal_the_chain_does_not_hold_is_given_to_nobody():
    assert not planned(tasks_of(deal_of()), [], [connected(1)])[0]


def test_a_task_of_which_the_chain_is_being_asked_is_given_to_nobody_but_fills_its_slots():
    deal, other = deal_of(1), deal_of(2)
    busy = assigned(tasks_of(deal)[0], connected(1))
    tasks = [busy, *tasks_of(other)]
    made, _ = planned(tasks, [deal, other], [connected(1)], {busy.facts.task_id})
    assert not made
    assert not planned(tasks_of(other), [other], [connected(1)], {tasks[1].facts.task_id})[0]


@given(
    trusts=st.lists(st.sampled_from([1, 2, 5, 10, 50]), min_size=1, max_size=6),
    slots=st.lists(st.integers(0, 4), max_size=6),
    stakes=st.lists(st.integers(0, 200), min_size=6, max_size=6),
    scores=st.lists(st.integers(0, 40), min_size=6, max_size=6),
)
def test_any_plan_keeps_to_slots_stakes_and_need(trusts, slots, stakes, scores):
    deals = [deal_of(n, trust=trust) for n, trust in enumerate(trusts, 1)]
    tasks = [task for deal in deals for task in tasks_of(deal, Flow.STANDARD)]
    workers = [
        connected(n, slots=slot, stake=stakes[n - 1], score=scores[n - 1])
        for n, slot in enumerate(slots, 1)
    ]
    made, idle = planned(tasks, deals, workers)
    assert len({(each.task_id, each.worker) for each in made}) == len(made)
    per_worker = Counter(each.worker for each in made)
    for each in workers:
        assert per_worker[each.worker] <= each.slots
        assert per_worker[each.worker] * STAKE <= each.stake
    assert set(idle) == {s.worker for s in workers} - set(per_worker)
    for task, trust in zip(tasks, trusts, strict=True):
        weights = [each.weight for each in made if each.task_id == task.facts.task_id]
        assert _useful(trust, weights)


def _useful(trust, weights):
    """Whether all but the last could not have reached the trust, by the contract's formula."""
    strength = 1
    for weight in weights[:-1]:
        strength *= weight
    return not weights[1:] or strength * trust <= (1 + strength) * (trust - 1)


def test_weights_are_the_chains():
    deal = deal_of()
    made, _ = planned(tasks_of(deal), [deal], [connected(1, score=30)])
    assert made[0].weight == Weight(9)
