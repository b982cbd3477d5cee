"""The plan: nobody computes what cannot matter, nobody gets more than it can take."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.deal import Deal, Resource
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, ResultDigest, ResultHash
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    TaskView,
)
from poolhand.domain.placement.planner import Planner
from poolhand.domain.placement.room import WAITING_PER_SLOT
from poolhand.domain.placement.rules import TRIAL, PlacementRules
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.machine import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.reputation import NEWCOMER, REST, VOUCHED, blamed
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.task import machine
from poolhand.domain.task.idle import IdleReason, stake_missing, tasks_seen
from poolhand.domain.task.machine import Assigned, Lost, Received, Viewed
from poolhand.domain.task.model import TaskFacts
from poolhand.domain.task.rules import is_working
from poolhand.domain.trust import Score, Trust, Weight, newcomers_needed
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, UnixSeconds

NOW, T = UnixSeconds(1_700_000_000), 300
STAKE = NanoRlc(30)
RIGHT = ResultDigest(bytes([9] * 32))


def deal_of(number=1, *, trust=1, size=1, tag=NO_TAG, stake=STAKE) -> Deal:
    nobody = Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(0))
    a = ZERO_ADDRESS
    return Deal(
        DealId(bytes([number] * 32)), nobody, nobody, nobody, Trust(trust), 0, tag, a, a, a, "",
        NOW, 0, size, stake, 1, a,
    )  # fmt: skip


def tasks_of(deal, flow=None, deadline=NOW + 7 * T):
    quick = deal.trust == 1 if flow is None else flow is Flow.CONTRIBUTE_AND_FINALIZE
    way = Flow.CONTRIBUTE_AND_FINALIZE if quick else Flow.STANDARD
    final = UnixSeconds(deadline + 3 * T)
    return [
        machine.receive(
            Received(
                NOW,
                TaskFacts(
                    name,
                    deal.deal_id,
                    index,
                    deal.trust,
                    way,
                    deal.tag,
                    UnixSeconds(deadline),
                    final,
                ),
            )
        )
        for index, name in deal.tasks()
    ]


def connected(number, *, slots=1, stake=1000, score=0, **changes) -> ConnectedWorker:
    """Return a worker that is believed to have the slots it tells of."""
    made = ConnectedWorker(Address(bytes([number] * 20)), f"w{number}", "1", 16, slots, False, ())
    changes.setdefault("reputation", VOUCHED)
    return replace(made, stake=NanoRlc(stake), score=Score(score), **changes)


def plan(tasks, deals, workers, unsure=(), *, now=NOW, can_initialize=True, rules=PlacementRules()):
    """Tell a planner of all there is; return its plan, and why who gets nothing gets nothing."""
    ranks = iter(range(len(workers)))
    planner = Planner(rules, lambda: float(next(ranks)))
    planner.can_initialize = can_initialize
    planner.pass_time(now)
    for each in workers:
        planner.join(each)
    for task in tasks:
        name = task.facts.task_id
        planner.hear(task, deals.get(task.facts.deal_id), sure=name not in unsure)
    made = planner.plan()
    given = {each.worker for each in made}
    return made, {s.worker: planner.why_idle(s.worker) for s in workers if s.worker not in given}


def planned(tasks, deals, workers, unsure=()):
    made, idle = plan(tasks, {deal.deal_id: deal for deal in deals}, workers, unsure)
    return made, idle


def assigned(task, *workers):
    for each in workers:
        task, _ = machine.step(task, Assigned(NOW, each.worker, each.weight))
    return task


def viewed(task, contributions, status=ChainTaskStatus.ACTIVE, now=NOW):
    view = TaskView(
        task.facts.task_id, BlockNumber(1), now, status, Seconds(T),
        task.facts.contribution_deadline, UnixSeconds(0), task.facts.final_deadline,
        ResultHash(bytes(32)), 0, 0, tuple(contributions), ResultDigest(bytes(32)), b"",
        contributions,
    )  # fmt: skip
    return machine.step(task, Viewed(now, view))[0]


def contribution(task, worker, digest=RIGHT):
    name = task.facts.task_id
    return ContributionView(
        ContributionStatus.CONTRIBUTED,
        result_hash(name, digest),
        result_seal(worker, name, digest),
        1,
    )


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
    plain, able = connected(1, slots=4), connected(2, slots=4, gpu=True)
    made, idle = planned(tasks, [gpu, tee], [plain])
    assert not made
    assert idle[plain.worker] == Counter({"task needs a GPU": 1, "task needs a TEE": 1})
    made, _ = planned(tasks, [gpu, tee], [plain, able])
    assert [(each.task_id, each.worker) for each in made] == [(tasks[0].facts.task_id, able.worker)]


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


# ------------------------------------------------------------------------------------ why idle


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


# --------------------------------------------------------------------------------- who comes first


def test_who_has_settled_tasks_comes_before_who_boasts():
    deal = deal_of()
    boaster = connected(1, slots=65_535, cpus=65_535, reputation=NEWCOMER)
    made, _ = planned(tasks_of(deal), [deal], [boaster, connected(2)])
    assert [each.worker for each in made] == [connected(2).worker]
    assert made[0].proved


def test_a_newcomer_works_where_the_proved_are_busy():
    deal = deal_of(size=3)
    made, _ = planned(tasks_of(deal), [deal], [connected(1, reputation=NEWCOMER), connected(2)])
    assert {each.worker: each.proved for each in made} == {
        connected(1).worker: False,
        connected(2).worker: True,
    }


def test_who_has_lost_its_turn_waits_while_another_is_there_and_works_where_nobody_is():
    deal, rests = deal_of(size=3), blamed(VOUCHED, NOW)
    resting, other = connected(1, slots=3, reputation=rests), connected(2)
    made, idle = plan(tasks_of(deal), {deal.deal_id: deal}, [resting, other], now=NOW)
    assert [each.worker for each in made] == [other.worker]
    assert idle[resting.worker] == {IdleReason.RESTING: 2, IdleReason.ENOUGH: 1}
    made, _ = plan(tasks_of(deal), {deal.deal_id: deal}, [resting], now=NOW)
    assert len(made) == 3
    (one,) = tasks_of(deal_of(7, trust=3))
    one = assigned(one, other)
    deals = {one.facts.deal_id: deal_of(7, trust=3)}
    made, _ = plan([one], deals, [resting, other], now=NOW)
    assert [each.worker for each in made] == [resting.worker], "the other one has had it"
    later = UnixSeconds(NOW + REST)
    made, _ = plan(tasks_of(deal), {deal.deal_id: deal}, [resting, other], now=later)
    assert len(made) == 3


def test_two_of_one_address_do_not_share_a_task_while_others_are_free():
    deal = deal_of(trust=3)
    kin = [connected(n, source="203.0.113.7") for n in (1, 2, 3)]
    stranger = connected(4, source="203.0.113.8", reputation=NEWCOMER)
    made, _ = planned(tasks_of(deal), [deal], [*kin, stranger])
    assert {each.worker for each in made} == {kin[0].worker, stranger.worker}
    made, _ = planned(tasks_of(deal), [deal], kin)
    assert len(made) == 2, "better kin than nobody"
    task = assigned(tasks_of(deal)[0], kin[0])
    made, _ = planned([task], [deal], [*kin, stranger])
    assert [each.worker for each in made] == [stranger.worker]


def test_the_pools_least_stake_is_asked_for_tasks_that_lock_none():
    deal, rules = deal_of(size=2), PlacementRules(least_stake=NanoRlc(500))
    poor, rich = (
        connected(1, slots=2, stake=499),
        connected(2, slots=1, stake=400, locked=NanoRlc(100)),
    )
    made, idle = plan(tasks_of(deal), {deal.deal_id: deal}, [poor, rich], rules=rules)
    assert [each.worker for each in made] == [rich.worker]
    assert idle[poor.worker][IdleReason.STAKE_MISSING] == 1
    broke = connected(3, stake=STAKE - 1)
    assert not planned(tasks_of(deal), [deal], [broke])[0], "the deal's own stake is the least"


def test_each_offer_that_lies_asks_for_one_more_until_all_have_been_asked():
    deal, rules = deal_of(), PlacementRules()
    workers = [connected(n, reputation=NEWCOMER) for n in range(1, 12)]
    (task,) = tasks_of(deal)
    rounds = []
    for after in range(0, 5 * rules.take_up, rules.take_up):
        task, _ = machine.step(task, machine.Ticked(UnixSeconds(NOW + after)))
        made, _ = plan([task], {deal.deal_id: deal}, workers, rules=rules)
        rounds.append(len(made))
        for each in made:
            event = Assigned(task.now, each.worker, each.weight, each.proved)
            task, _ = machine.step(task, event)
    assert rounds == [1, 2, 4, 4, 0]


def test_an_offer_made_by_a_lagging_clock_is_given_its_seconds_all_the_same():
    deal, rules = deal_of(), PlacementRules()
    (task,) = tasks_of(deal)
    task, _ = machine.step(task, machine.Ticked(UnixSeconds(NOW + 60)))
    task = assigned(task, connected(1))  # the pool still thinks that it is NOW
    assert task.attempts[0].heard_at == NOW + 60
    assert not plan([task], {deal.deal_id: deal}, [connected(2)], rules=rules)[0]


def test_idle_workers_stand_by_newcomers_only_after_everything_else():
    deal, fresh = deal_of(1), deal_of(2)
    (task,) = tasks_of(deal)
    newcomer = connected(1, reputation=NEWCOMER)
    task, _ = machine.step(task, Assigned(NOW, newcomer.worker, newcomer.weight, proved=False))
    entry = Entry(Status.RUNNING, NOW)
    task, _ = machine.step(task, machine.Reported(NOW, newcomer.worker, 0, (entry,)))
    task, _ = machine.step(task, machine.Ticked(UnixSeconds(NOW + TRIAL)))
    idle = connected(2)
    made, _ = planned([task, *tasks_of(fresh)], [deal, fresh], [newcomer, idle])
    assert [each.task_id for each in made] == [tasks_of(fresh)[0].facts.task_id]
    made, _ = planned([task], [deal], [newcomer, idle])
    assert [each.worker for each in made] == [idle.worker]


@given(
    trusts=st.lists(st.sampled_from([1, 2, 5, 10]), min_size=1, max_size=5),
    workers=st.lists(
        st.tuples(st.integers(0, 65_535), st.booleans(), st.integers(0, 3), st.integers(0, 2_000)),
        max_size=8,
    ),
    passed=st.lists(st.integers(0, 400), max_size=4),
)
def test_whatever_is_claimed_nobody_is_given_more_than_it_proved_nor_a_task_twice(
    trusts, workers, passed
):
    rules, now = PlacementRules(least_stake=NanoRlc(50)), NOW
    deals = [deal_of(n, trust=trust) for n, trust in enumerate(trusts, 1)]
    tasks = [task for deal in deals for task in tasks_of(deal)]
    workers = [
        connected(n, slots=slots, cpus=slots, stake=stake, source=f"203.0.113.{place}",
             reputation=VOUCHED if proved else NEWCOMER)
        for n, (slots, proved, place, stake) in enumerate(workers, 1)
    ]  # fmt: skip
    for after in (0, *passed):
        now = UnixSeconds(now + after)
        tasks = [machine.step(task, machine.Ticked(now))[0] for task in tasks]
        by_id = {deal.deal_id: deal for deal in deals}
        for each in plan(tasks, by_id, workers, now=now, rules=rules)[0]:
            (place,) = (n for n, t in enumerate(tasks) if t.facts.task_id == each.task_id)
            assert tasks[place].attempt(each.worker) is None
            event = Assigned(now, each.worker, each.weight, each.proved)
            tasks[place], _ = machine.step(tasks[place], event)
    for each in workers:
        held = sum(
            is_working(task, attempt)
            for task in tasks
            if (attempt := task.attempt(each.worker)) is not None
        )
        usable = each.reputation.slots(each.slots, each.cpus, rules.newcomers_slots)
        assert held <= usable
        assert held == 0 or each.stake >= rules.least_stake
    for task in tasks:
        spare = rules.most_backups + newcomers_needed(task.facts.trust)
        assert len(task.attempts) <= spare + len(passed)
