"""Hard cases of a task in the scheduler: liars, mutes, losses, reopenings and dead ends."""

from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from stories import (
    ANN,
    BOB,
    EVE,
    NEWCOMER,
    PERIOD,
    RIGHT,
    START,
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
    stored,
    task_after,
    told,
    viewed,
)

from poolhand.domain.ids import ResultDigest
from poolhand.domain.onchain import ChainTaskStatus as Chain
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.task.machine import (
    Found,
    Lost,
    Misbehaved,
    SendClaim,
    SendFinalize,
    SendInitialize,
    SendReopen,
    TellActivated,
    TellEnd,
    TellOffer,
    TellReveal,
    TellUpload,
    Ticked,
    is_settled,
    outstanding,
)
from poolhand.domain.task.rules import (
    UPLOAD_SILENCE,
    is_given_up,
    replicates_needed,
)
from poolhand.domain.task.status import TaskStatus

# -------------------------------------------------------------------------------- lost and found


def test_a_worker_lost_and_found_is_asked_for_the_result():
    task = task_after(*revealed(ANN), Lost(at(20), ANN))
    assert not told(task, TellUpload)
    back = also(task, Found(at(25), ANN))
    assert back.attempt(ANN).status is S.REVEALED
    assert told(back, TellUpload) == [TellUpload(ANN, 0)]


def test_a_worker_lost_and_found_hears_of_the_activation():
    task = task_after(*assigned(ANN), reported(ANN, TRUST_2_STANDARD[:7]), Lost(at(20), ANN))
    active = also(task, viewed(Chain.ACTIVE, now=at(21)), Found(at(25), ANN))
    assert told(active, TellActivated) == [TellActivated(ANN)]


def test_a_worker_lost_before_it_answered_is_offered_the_task_again():
    task = task_after(*assigned(ANN), Lost(at(20), ANN), Found(at(25), ANN))
    assert told(task, TellOffer) == [TellOffer(ANN)]
    assert also(task, reported(ANN, [S.RUNNING])).attempt(ANN).status is S.RUNNING


def test_a_worker_that_restarts_after_its_loss_goes_on():
    task = task_after(*revealed(ANN), Lost(at(20), ANN), Found(at(25), ANN))
    restarted = reported(ANN, [S.RECOVERING, S.REVEALED], first=len(TRUST_2_STANDARD))
    assert also(task, restarted).attempt(ANN).status is S.REVEALED


def test_a_lost_worker_is_replaced_and_ends_with_the_task():
    task = task_after(*assigned(ANN), reported(ANN, [S.RUNNING]), trust=1)
    assert replicates_needed(task, NEWCOMER) == 0
    alone = also(task, Lost(at(20), ANN))
    assert replicates_needed(alone, NEWCOMER) == 1
    done = also(alone, viewed(Chain.FAILED, now=at(4000)))
    assert done.attempt(ANN).status is S.FAILED
    assert is_settled(done)


# --------------------------------------------------------------------------------- mutes and slow


def test_a_worker_that_never_answers_blocks_the_task_for_one_period():
    task = task_after(*assigned(ANN), trust=1)
    assert replicates_needed(also(task, Ticked(at(PERIOD - 1))), NEWCOMER) == 0
    assert replicates_needed(also(task, Ticked(at(PERIOD))), NEWCOMER) == 1


def test_a_winner_that_never_uploads_makes_way_for_another():
    task = task_after(*revealed(ANN, BOB))
    assert told(task, TellUpload) == [TellUpload(ANN, 0)]
    started = also(task, reported(BOB, [S.RECOVERING, S.REVEALED], first=12, at=at(60)))
    waited = also(started, Ticked(at(UPLOAD_SILENCE)))
    assert told(waited, TellUpload) == [TellUpload(BOB, 0)]


def test_two_mute_winners_are_asked_in_turn():
    task = task_after(*revealed(ANN, BOB))
    asked = {
        told(also(task, Ticked(at(turn * UPLOAD_SILENCE))), TellUpload)[0].worker
        for turn in range(4)
    }
    assert asked == {ANN, BOB}


def test_an_upload_under_way_is_left_alone_for_a_while():
    asked = reported(BOB, [S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING], first=12)
    task = task_after(*revealed(ANN, BOB), asked)
    assert not told(also(task, Ticked(at(UPLOAD_SILENCE - 1))), TellUpload)
    assert told(also(task, Ticked(at(UPLOAD_SILENCE))), TellUpload)


def test_a_workers_clock_decides_nothing():
    failed = [S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING, S.RESULT_UPLOAD_FAILED]
    lie = reported(ANN, failed, first=12)
    future = replace(lie, entries=tuple(replace(e, at=at(10**8)) for e in lie.entries))
    task = also(task_after(*revealed(ANN), future), Ticked(at(30)))
    assert told(task, TellUpload) == [TellUpload(ANN, 1)]


# ----------------------------------------------------------------------------------------- liars


@pytest.mark.parametrize(
    "lie",
    [
        stored(EVE),
        stored(BOB),
        stored(ANN, digest=WRONG),
        stored(ANN, data=b"not what was agreed"),
    ],
)
def test_a_result_counts_only_from_who_proved_it(lie):
    task = task_after(*assigned(BOB), *revealed(ANN))
    assert also(task, lie).stored is None
    assert told(also(task, lie, stored(ANN)), SendFinalize)


def test_callback_data_that_hash_to_the_digest_are_taken():
    data = b"for the contract"
    digest = ResultDigest(keccak(data))
    known = {ANN: contributed(ANN, digest, C.PROVED)}
    seen = viewed(Chain.REVEALING, known, consensus=digest, reveal_deadline=at(600))
    task = task_after(*assigned(ANN), seen, stored(ANN, digest, data))
    assert task.stored.callback_data == data


def test_a_result_told_before_the_proof_is_not_believed():
    task = task_after(*assigned(ANN), stored(ANN))
    assert task.stored is None


def test_who_misbehaves_is_replaced_and_does_not_count_against_the_task():
    task = task_after(*assigned(ANN), Misbehaved(START, ANN, "lied"), trust=1)
    assert task.attempt(ANN).status is S.FAILED
    assert replicates_needed(task, NEWCOMER) == 1


# --------------------------------------------------------------------- consensus, reopen and ends


def test_a_loser_is_neither_asked_to_reveal_nor_sent_away_before_the_end():
    known = {ANN: contributed(ANN), BOB: contributed(BOB, WRONG)}
    task = task_after(
        *assigned(ANN, BOB),
        reported(ANN, TRUST_2_STANDARD[:10]),
        reported(BOB, TRUST_2_STANDARD[:10]),
        viewed(Chain.REVEALING, known, consensus=RIGHT, reveal_deadline=at(600)),
    )
    assert [effect.worker for effect in told(task, TellReveal)] == [ANN]
    assert not told(task, TellEnd)
    proved = known | {ANN: contributed(ANN, status=C.PROVED)}
    done = also(task, viewed(Chain.COMPLETED, proved, consensus=RIGHT, block=3))
    assert told(done, TellEnd) == [
        TellEnd(ANN, S.COMPLETED),
        TellEnd(BOB, S.ABORTED_ON_CONSENSUS_REACHED),
    ]


def test_who_did_not_contribute_before_the_consensus_is_sent_away():
    known = {ANN: contributed(ANN)}
    seen = viewed(Chain.REVEALING, known, consensus=RIGHT, reveal_deadline=at(600))
    task = task_after(*assigned(ANN, BOB), seen)
    assert told(task, TellEnd) == [TellEnd(BOB, S.ABORTED_ON_CONSENSUS_REACHED)]


def test_after_a_reopen_the_silent_are_out_and_others_are_wanted():
    silent = {ANN: contributed(ANN), BOB: contributed(BOB)}
    late = {"consensus": RIGHT, "reveal_deadline": at(600)}
    task = task_after(
        *assigned(ANN, BOB),
        reported(ANN, TRUST_2_STANDARD[:10]),
        viewed(Chain.REVEALING, silent, **late),
        Ticked(at(600)),
        trust=3,
    )
    assert told(task, SendReopen)
    assert task.status is TaskStatus.REOPENING
    rejected = {worker: replace(c, status=C.REJECTED) for worker, c in silent.items()}
    again = also(task, viewed(Chain.ACTIVE, rejected, now=at(605), block=9))
    assert again.status is TaskStatus.RUNNING
    assert TellEnd(ANN, S.REVEAL_TIMEOUT) in outstanding(again)
    assert replicates_needed(again, NEWCOMER) == 2


def test_no_reopening_when_nobody_could_contribute_any_more():
    known = {ANN: contributed(ANN)}
    task = task_after(
        *assigned(ANN),
        viewed(Chain.REVEALING, known, consensus=RIGHT, reveal_deadline=at(8 * PERIOD)),
        Ticked(at(8 * PERIOD)),
    )
    assert not told(task, SendReopen)
    assert task.status is TaskStatus.CONTRIBUTION_TIMEOUT
    assert told(also(task, Ticked(at(10 * PERIOD))), SendClaim)


def test_the_only_worker_of_a_quick_task_may_fail():
    task = task_after(
        *assigned(ANN),
        viewed(Chain.ACTIVE),
        reported(ANN, [*TRUST_2_STANDARD[:6], S.COMPUTE_FAILED, S.FAILED]),
        trust=1,
        flow=Flow.CONTRIBUTE_AND_FINALIZE,
    )
    assert task.status is TaskStatus.RUNNING
    assert replicates_needed(task, NEWCOMER) == 1


def test_a_task_that_fails_on_many_workers_is_given_up():
    crowd = [type(ANN)(bytes([number]) * 20) for number in range(10, 14)]
    failure = [*TRUST_2_STANDARD[:2], S.APP_DOWNLOAD_FAILED, S.FAILED]
    task = task_after(*assigned(*crowd), *(reported(worker, failure) for worker in crowd), trust=1)
    assert is_given_up(task)
    assert task.status is TaskStatus.RUNNING_FAILED
    assert replicates_needed(task, NEWCOMER) == 0


def test_workers_that_decline_do_not_give_the_task_up():
    crowd = [type(ANN)(bytes([number]) * 20) for number in range(10, 20)]
    task = task_after(
        *assigned(*crowd), *(reported(worker, [S.FAILED]) for worker in crowd), trust=1
    )
    assert not is_given_up(task)
    assert replicates_needed(task, NEWCOMER) == 1


def test_a_task_nobody_began_is_initialized_only_to_be_claimed():
    task = task_after(viewed(Chain.UNSET))
    assert not outstanding(task)
    late = also(task, Ticked(at(10 * PERIOD)))
    assert outstanding(late) == (SendInitialize(0),)
    active = also(late, viewed(Chain.ACTIVE, now=at(10 * PERIOD), block=5))
    assert outstanding(active) == (SendClaim(0),)
    assert is_settled(also(active, viewed(Chain.FAILED, now=at(10 * PERIOD), block=6)))
