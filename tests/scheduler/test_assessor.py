"""What the pool remembers of those it deals with: silence, failure, success, and over restarts."""

from __future__ import annotations

import pytest
from pool_world import TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.placement.reliance import LEFT_TO_OTHERS
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.reputation import FIRST_REST_OF_WALLET, NEWCOMER
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.rules import LAST_WORD
from poolhand.scheduler.chain_time import LONGEST_BLOCK_GAP
from poolhand.transport.session_hub import STOOD_STILL_AFTER
from poolhand.wire.messages import AcknowledgeReports, Declined, Idle, OfferTask

RULES = PlacementRules()


@pytest.fixture
async def world(pool):
    return await pool(placement=RULES)


def known_of(world, puppet):
    return world.scheduler.memory.workers.of(puppet.address)


async def settles(world, puppet, task):
    await puppet.reports(task, *TO_CONTRIBUTED)
    puppet.contributes(task)
    await world.step()
    await puppet.reports(task, S.REVEALING)
    puppet.reveals(task)
    await world.step()
    await puppet.reports(task, S.REVEALED)
    await puppet.has_stored(task)
    await world.until(lambda: world.view(task).status is ChainTaskStatus.COMPLETED)
    await puppet.reports(task, S.COMPLETED)


async def fails(puppet, task):
    await puppet.reports(task, *TO_COMPUTED[:-1], S.COMPUTE_FAILED, S.FAILED)


@pytest.mark.case("A2")
async def test_an_offer_that_lies_for_seconds_goes_to_another_and_costs_the_turn(world):
    silent = await world.hired()
    task = first_task(await world.deal())
    other = await world.hired()
    await world.step(RULES.take_up - 1)
    assert not world.task(task).attempt(other.address)
    await world.step()
    assert other.last(OfferTask).task_id == task
    assert (known_of(world, silent).faults, known_of(world, other).faults) == (1, 0)
    assert known_of(world, silent).is_resting(world.clock.now() + FIRST_REST_OF_WALLET - 1)
    following = first_task(await world.deal())
    assert not world.task(following).attempt(silent.address)
    assert IdleReason.RESTING in silent.last(Idle).reasons


async def test_an_offer_is_not_late_by_the_block_that_it_only_just_preceded(world):
    task = first_task(await world.deal())
    await world.let_pass(RULES.take_up - 1)
    silent = await world.hired()
    assert silent.last(OfferTask).task_id == task
    other = await world.hired()
    await passes(world, 1, RULES.take_up)
    assert (world.task(task).attempt(other.address), known_of(world, silent).faults) == (None, 0)
    await passes(world, RULES.take_up, RULES.take_up)
    assert other.last(OfferTask).task_id == task
    assert known_of(world, silent).faults == 1


async def test_a_chain_that_stood_still_for_an_hour_excuses_nobody_for_an_hour(world):
    task = first_task(await world.deal())
    await world.let_pass(3600)
    silent = await world.hired()
    assert silent.last(OfferTask).task_id == task
    other = await world.hired()
    await passes(world, 1, LONGEST_BLOCK_GAP + RULES.take_up)
    assert other.last(OfferTask).task_id == task
    assert known_of(world, silent).faults == 1


async def passes(world, seconds, later):
    """Let time pass, and a block come whose time is so much later than that of the one before."""
    await world.let_pass(seconds)
    world.chain.mine(later)
    await world.settle()


async def test_whose_offer_was_taken_up_in_time_keeps_it(world):
    worker, other = await world.hired(), await world.hired()
    other_is_asked = lambda: world.task(task).attempt(other.address)  # noqa: E731
    await other.pauses("not yet")
    task = first_task(await world.deal())
    await worker.reports(task, S.RUNNING)
    await other.pauses(None)
    await world.step(RULES.take_up)
    assert not other_is_asked()
    await world.step(RULES.trial - RULES.take_up)
    assert other_is_asked(), "nobody stands by a newcomer"
    assert known_of(world, worker) == NEWCOMER


@pytest.mark.parametrize(
    ("ending", "faults"), [((S.FAILED,), 0), ((*TO_COMPUTED[:2], S.FAILED), 1)]
)
async def test_who_says_that_it_declines_is_excused_for_just_that(world, ending, faults):
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    world.scheduler.workers.received(worker.address, Declined(task))
    await worker.reports(task, *ending)
    assert known_of(world, worker).faults == faults


@pytest.mark.case("A2")
async def test_who_settles_a_task_is_forgiven_and_needs_nobody_beside_it(world):
    worker = await world.hired()
    await world.deal()
    await world.step(RULES.take_up)
    assert known_of(world, worker).faults == 1
    await settles(world, worker, world.task_ids()[0])
    known = known_of(world, worker)
    assert (known.is_proved, known.faults, known.credit) == (True, 0, 2)
    other = await world.hired()
    task = first_task(await world.deal())
    await worker.reports(task, S.RUNNING)
    await world.step(RULES.trial)
    assert not world.task(task).attempt(other.address)


async def test_who_cannot_answer_because_the_pool_is_away_is_not_silent(world):
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    await world.step(RULES.take_up)
    assert known_of(world, worker) == NEWCOMER
    await worker.arrives()
    await worker.reports(task, S.RUNNING)
    assert known_of(world, worker) == NEWCOMER


async def test_a_restart_forgets_nothing(world):
    silent = await world.hired()
    await world.deal()
    await world.step(RULES.take_up)
    before = known_of(world, silent)
    assert before.faults == 1
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    await silent.arrives()
    assert known_of(world, silent) == before
    assert world.scheduler.directory.get(silent.address).reputation == before


@pytest.mark.case("A2")
async def test_a_failing_app_is_not_held_against_the_workers_that_tried_it(world):
    workers = [await world.hired() for _ in range(8)]
    deal = await world.deal()
    task = first_task(deal)
    for _ in workers:
        (tried,) = (w for w in workers if world.status(task, w) is S.CREATED)
        await fails(tried, task)
    memory = world.scheduler.memory
    assert [known_of(world, worker) for worker in workers] == [NEWCOMER] * 8
    assert memory.apps.for_buyer(deal.app.address, deal.requester).faults == 1
    assert memory.requesters.of(deal.requester).faults == 1


@pytest.mark.case("A2")
async def test_a_failing_worker_is_not_held_against_the_app(world):
    bungler = await world.hired()
    deal = await world.deal()
    task = first_task(deal)
    await fails(bungler, task)
    good = await world.hired()
    assert known_of(world, bungler).faults == 0, "who can tell yet whose fault it is?"
    await settles(world, good, task)
    assert known_of(world, bungler).faults == 1
    assert world.scheduler.memory.apps.works_for(deal.app.address, deal.requester)
    await bungler.leaves()
    await good.leaves()
    another = await world.hired()
    await fails(another, first_task(await world.deal()))
    assert known_of(world, another).faults == 1, "the app is known to work"
    assert world.scheduler.memory.apps.works_for(deal.app.address, deal.requester)


@pytest.mark.case("A2")
async def test_a_buyers_bad_arguments_cost_no_proved_worker_its_turn(world):
    workers = [await world.hired() for _ in range(2)]
    for worker, other in (workers, workers[::-1]):
        await other.pauses("not now")
        await settles(world, worker, first_task(await world.deal()))
        await other.pauses(None)
    assert all(known_of(world, worker).is_proved for worker in workers)
    task = first_task(await world.deal())
    for _ in workers:
        (tried,) = (w for w in workers if world.status(task, w) is S.CREATED)
        await fails(tried, task)
    assert all(known_of(world, worker).is_proved for worker in workers)


@pytest.mark.case("A3")
async def test_what_all_workers_failed_at_counts_once_against_its_buyer_though_the_app_runs(world):
    memory = world.scheduler.memory
    workers = [await world.hired()]
    deal = await world.deal()
    app, buyer = deal.app.address, deal.requester
    await settles(world, workers[0], first_task(deal))
    workers += [await world.hired() for _ in range(6)]
    task = first_task(await world.deal())
    assert world.status(task, workers[0]) is S.CREATED, "who is proved comes first"
    while asked := [w for w in workers if world.status(task, w) is S.CREATED]:
        assert memory.apps.works_for(app, buyer), "one worker's failure says nothing yet"
        await fails(asked[0], task)
    assert memory.apps.for_buyer(app, buyer).faults == 1
    assert memory.requesters.of(buyer).faults == 1
    assert memory.apps.of(app).works, "others may have better arguments"


async def test_who_never_says_how_it_ended_does_not_keep_the_task_open(world):
    mute = await world.hired()
    task = first_task(await world.deal())
    await mute.reports(task, S.RUNNING, S.APP_DOWNLOADING)
    await world.step(RULES.trial)
    good = await world.hired()
    await world.step()
    await settles(world, good, task)
    await world.step(LAST_WORD - 2)
    assert list(world.scheduler.engine.open_tasks())
    faults = known_of(world, mute).faults
    await world.step(2)
    assert not list(world.scheduler.engine.open_tasks())
    assert world.status(task, mute) is S.ABORTED_ON_CONSENSUS_REACHED
    assert known_of(world, mute).faults == faults + 1
    await mute.reports(task, S.APP_DOWNLOADED)
    assert mute.last(AcknowledgeReports).count == 3, "a late word is taken and changes nothing"


@pytest.mark.case("A2")
async def test_a_boast_of_slots_has_no_effect(world):
    boaster = await world.hired(slots=65_535)
    deal = await world.deal(tasks=9)
    given = [name for _, name in deal.tasks() if world.status(name, boaster)]
    assert len(given) == RULES.newcomers_slots


async def test_no_more_than_processors_is_given_whatever_was_proved(world):
    worker = world.hire(slots=65_535)
    worker.cpus = 3
    await worker.arrives()
    for _ in range(4):
        world.scheduler.directory.judged(
            worker.address, world.scheduler.memory.workers.praise(worker.address)
        )
    deal = await world.deal(tasks=9)
    assert sum(world.status(name, worker) is not None for _, name in deal.tasks()) == 3


@pytest.mark.parametrize(
    ("statuses", "is_late"),
    [(TO_COMPUTED, False), ((*TO_COMPUTED, S.CAN_CONTRIBUTE, S.CONTRIBUTING), False),
     (TO_COMPUTED[:-1], True)],
)  # fmt: skip
async def test_who_is_proved_and_waits_for_the_chain_is_not_late_but_not_for_ever(
    world, statuses, is_late
):
    worker = await world.hired()
    await settles(world, worker, first_task(await world.deal()))
    task = first_task(await world.deal())
    await worker.reports(task, *statuses)
    other = await world.hired()
    facts = world.task(task).facts
    await world.step(RULES.take_up)
    await world.step(facts.period)
    assert bool(world.task(task).attempt(other.address)) is is_late
    assert bool(known_of(world, worker).faults) is is_late
    await world.pass_to(facts.contribution_deadline - LEFT_TO_OTHERS * facts.period)
    await world.step()
    assert world.task(task).attempt(other.address)
    assert known_of(world, worker).faults == 1


async def test_the_word_of_a_newcomer_that_it_has_computed_buys_it_no_time(world):
    worker = await world.hired()
    task = first_task(await world.deal())
    await worker.reports(task, *TO_COMPUTED)
    await world.step(RULES.take_up)
    await world.step(world.task(task).facts.period)
    assert known_of(world, worker).faults == 1


async def test_one_silence_is_blamed_once_though_time_jumps_over_several_moments(world):
    silent = await world.hired()
    task = first_task(await world.deal())
    await world.step(world.task(task).facts.period + RULES.take_up)
    assert known_of(world, silent).faults == 1


async def test_what_a_pool_did_not_hear_while_it_stood_still_is_nobodys_silence(world):
    """And nobody else is given the task: its worker may have spoken to deaf ears."""
    silent, other = await world.hired(), await world.hired()
    await other.pauses("not yet")
    task = first_task(await world.deal())
    await other.pauses(None)
    await world.step()
    world.clock.advance(10 * STOOD_STILL_AFTER)
    await world.settle()
    world.chain.mine(10 * STOOD_STILL_AFTER)
    await world.settle()
    await world.step()
    await other.pauses("for a moment")
    await other.pauses(None)
    assert known_of(world, silent) == NEWCOMER
    assert not world.task(task).attempt(other.address)
    await world.step(RULES.take_up)
    assert known_of(world, silent).faults == 1, "it is silent still"
    assert world.task(task).attempt(other.address)
