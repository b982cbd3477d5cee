"""Who is given a task first, and who waits for its turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from planner_world import NOW, STAKE, assigned, connected, deal_of, plan, planned, tasks_of

from poolhand.domain.placement.rules import TRIAL_TIME, PlacementRules
from poolhand.domain.replicate.machine import Entry
from poolhand.domain.replicate.status import Status
from poolhand.domain.reputation import FIRST_REST_OF_WALLET, NEWCOMER, VOUCHED, blamed
from poolhand.domain.task import machine
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.machine import Assigned
from poolhand.domain.task.rules import is_working
from poolhand.domain.trust import newcomers_needed
from poolhand.domain.units import NanoRlc, UnixSeconds


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
    later = UnixSeconds(NOW + FIRST_REST_OF_WALLET)
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
    task, _ = machine.step(task, machine.Ticked(UnixSeconds(NOW + TRIAL_TIME)))
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
