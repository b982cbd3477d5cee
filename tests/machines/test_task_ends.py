"""How a task comes to its end: finalized, reopened or claimed; and who is wanted meanwhile."""

import pytest
from stories import (
    ANN,
    BOB,
    NEWCOMER,
    PERIOD,
    RIGHT,
    TRUST_2_STANDARD,
    WRONG,
    C,
    S,
    also,
    assigned,
    at,
    contributed,
    reported,
    revealed,
    revealing,
    stored,
    task_after,
    told,
    viewed,
)

from poolhand.domain.onchain import ChainTaskStatus as Chain
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.task.machine import (
    SendClaim,
    SendFinalize,
    SendReopen,
    TellEnd,
    Ticked,
    is_settled,
)
from poolhand.domain.task.rules import (
    is_given_up,
    is_working,
    replicates_needed,
)
from poolhand.domain.task.status import TaskStatus

# --------------------------------------------------------------------------------- settling tasks


def test_finalization_waits_for_every_winner_or_for_the_deadline():
    task = task_after(*revealed(ANN), *assigned(BOB), revealing([ANN], [BOB]), stored(ANN))
    assert not told(task, SendFinalize)
    assert task.status is TaskStatus.RESULT_UPLOADED
    late = also(task, Ticked(at(2 * PERIOD)))
    assert told(late, SendFinalize)
    assert not told(late, SendReopen)
    assert late.status is TaskStatus.FINALIZING
    everybody = also(task, revealing([ANN, BOB], []))
    assert told(everybody, SendFinalize)


def test_a_task_is_claimed_from_its_final_deadline_on_and_not_finalized():
    task = task_after(*revealed(ANN), stored(ANN))
    before = also(task, Ticked(at(10 * PERIOD - 1)))
    assert told(before, SendFinalize)
    assert not told(before, SendClaim)
    late = also(task, Ticked(at(10 * PERIOD)))
    assert not told(late, SendFinalize)
    assert told(late, SendClaim) == [SendClaim(0)]
    assert late.status is TaskStatus.FINAL_DEADLINE_REACHED


def test_no_reopening_before_the_reveal_deadline():
    task = task_after(*assigned(ANN), revealing([], [ANN]), Ticked(at(2 * PERIOD - 1)))
    assert not told(task, SendReopen)
    assert task.status is TaskStatus.CONSENSUS_REACHED
    assert told(also(task, Ticked(at(2 * PERIOD))), SendReopen)


def test_a_task_is_settled_when_chain_and_workers_have_ended_it():
    task = task_after(*revealed(ANN))
    assert not is_settled(task)
    proved = {ANN: contributed(ANN, status=C.PROVED)}
    closed = also(task, viewed(Chain.COMPLETED, proved, consensus=RIGHT, block=9))
    assert not is_settled(closed)
    assert told(closed, TellEnd) == [TellEnd(ANN, S.COMPLETED)]
    told_so = also(closed, reported(ANN, [S.COMPLETED], first=12))
    assert is_settled(told_so)
    over_early = also(task, reported(ANN, [S.FAILED], first=12))
    assert not is_settled(over_early)


@pytest.mark.parametrize(
    ("own", "end"),
    [
        (contributed(ANN, status=C.PROVED), S.COMPLETED),
        (contributed(ANN), S.REVEAL_TIMEOUT),
        (contributed(ANN, WRONG), S.ABORTED_ON_CONSENSUS_REACHED),
    ],
)
def test_a_completed_task_ends_each_replicate_as_the_chain_paid_it(own, end):
    known = {ANN: own, BOB: contributed(BOB, status=C.PROVED)}
    task = task_after(*assigned(ANN), viewed(Chain.COMPLETED, known, consensus=RIGHT))
    assert told(task, TellEnd) == [TellEnd(ANN, end)]


def test_deadlines_end_only_whom_they_concern():
    staked = task_after(
        *assigned(ANN, BOB), viewed(Chain.ACTIVE, {ANN: contributed(ANN)}, now=at(7 * PERIOD))
    )
    assert told(staked, TellEnd) == [TellEnd(BOB, S.ABORTED_ON_CONTRIBUTION_TIMEOUT)]
    task = task_after(*assigned(ANN, BOB), revealing([ANN], [BOB], now=at(2 * PERIOD)))
    assert told(task, TellEnd) == [TellEnd(BOB, S.REVEAL_TIMEOUT)]


# ----------------------------------------------------------------------------------------- supply


def test_contributed_work_weighs_by_its_result_and_frees_the_slot():
    agree = {ANN: contributed(ANN)}
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE, agree), trust=3)
    assert not is_working(task, task.attempt(ANN))
    assert replicates_needed(task, NEWCOMER) == 1
    differ = agree | {BOB: contributed(BOB, WRONG)}
    split = also(task, *assigned(BOB), viewed(Chain.ACTIVE, differ, block=2))
    assert replicates_needed(split, NEWCOMER) == 2


def test_rejected_work_weighs_nothing():
    rejected = {ANN: contributed(ANN, status=C.REJECTED)}
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE, rejected), trust=3)
    assert replicates_needed(task, NEWCOMER) == 2


def test_who_is_ended_by_the_chain_works_no_more():
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE))
    assert is_working(task, task.attempt(ANN))
    late = also(task, Ticked(at(7 * PERIOD)))
    assert not is_working(late, late.attempt(ANN))


def test_a_quick_task_has_one_worker_at_a_time():
    task = task_after(*assigned(ANN), trust=1, flow=Flow.CONTRIBUTE_AND_FINALIZE)
    assert replicates_needed(task, NEWCOMER) == 0
    known = {ANN: contributed(ANN, status=C.PROVED)}
    done = also(task, viewed(Chain.COMPLETED, known, consensus=RIGHT))
    assert replicates_needed(done, NEWCOMER) == 0


def test_a_task_is_given_up_after_the_last_spare_failure():
    crowd = [type(ANN)(bytes([number]) * 20) for number in range(10, 13)]
    failure = [*TRUST_2_STANDARD[:6], S.COMPUTE_FAILED, S.FAILED]
    task = task_after(*assigned(*crowd), *(reported(worker, failure) for worker in crowd), trust=1)
    assert not is_given_up(task)
    assert replicates_needed(task, NEWCOMER) == 1


# ------------------------------------------------------------------------------------- the phases


def test_the_usual_life_has_these_phases():
    task = task_after()
    phases = [task.status]
    for event in (
        *assigned(ANN),
        viewed(Chain.ACTIVE, block=2),
        reported(ANN, TRUST_2_STANDARD),
        viewed(Chain.REVEALING, {ANN: contributed(ANN)}, consensus=RIGHT,
               reveal_deadline=at(600), block=3),
        revealing([ANN], []),
        reported(ANN, [S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING], first=12),
        stored(ANN),
        viewed(Chain.COMPLETED, {ANN: contributed(ANN, status=C.PROVED)}, consensus=RIGHT,
               block=9),
    ):  # fmt: skip
        task = also(task, event)
        phases.append(task.status)
    assert list(dict.fromkeys(phases)) == [
        TaskStatus.RECEIVED,
        TaskStatus.INITIALIZING,
        TaskStatus.RUNNING,
        TaskStatus.CONSENSUS_REACHED,
        TaskStatus.AT_LEAST_ONE_REVEALED,
        TaskStatus.RESULT_UPLOADING,
        TaskStatus.FINALIZING,
        TaskStatus.COMPLETED,
    ]
    assert task_after(viewed(Chain.ACTIVE)).status is TaskStatus.INITIALIZED
