"""What a task hears, when it believes it, and what it has workers told."""

import pytest
from stories import (
    ANN,
    BOB,
    NEWCOMER,
    PERIOD,
    RIGHT,
    START,
    TRUST_2_STANDARD,
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

from poolhand.domain.errors import IllegalTransition
from poolhand.domain.onchain import ChainTaskStatus as Chain
from poolhand.domain.task.machine import (
    PAUSE_AFTER_REFUSAL,
    CallRefused,
    Lost,
    SendClaim,
    SendInitialize,
    TellActivated,
    TellEnd,
    TellOffer,
    TellReveal,
    TellUpload,
    Ticked,
    outstanding,
)
from poolhand.domain.task.rules import (
    UPLOAD_PAUSE,
    replicates_needed,
)

# ------------------------------------------------------------------------------ what is heard when


def test_an_older_view_is_ignored_of_a_finished_task_too():
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE, block=5))
    assert also(task, viewed(Chain.UNSET, block=4)).chain_status is Chain.ACTIVE
    done = also(task, viewed(Chain.FAILED, block=6))
    assert also(done, viewed(Chain.ACTIVE, block=5)).chain_status is Chain.FAILED


def test_a_worker_is_assigned_once():
    task = task_after(*assigned(ANN), reported(ANN, [S.RUNNING]))
    assert also(task, *assigned(ANN)) == task


def test_the_first_proved_result_stays():
    task = task_after(*revealed(ANN, BOB), stored(ANN))
    assert also(task, stored(BOB)).stored.worker == ANN
    assert not told(task, TellUpload)


def test_refusals_are_counted_and_the_pause_grows():
    task = task_after(*assigned(ANN), viewed(Chain.UNSET))
    assert told(task, SendInitialize) == [SendInitialize(0)]
    once = also(task, CallRefused(START, "initialize", "no"))
    assert not told(also(once, Ticked(at(PAUSE_AFTER_REFUSAL - 1))), SendInitialize)
    again = also(once, Ticked(at(PAUSE_AFTER_REFUSAL)))
    assert told(again, SendInitialize) == [SendInitialize(1)]
    twice = also(again, CallRefused(at(PAUSE_AFTER_REFUSAL), "initialize", "no"))
    assert not told(also(twice, Ticked(at(3 * PAUSE_AFTER_REFUSAL - 1))), SendInitialize)
    assert told(also(twice, Ticked(at(3 * PAUSE_AFTER_REFUSAL))), SendInitialize) == [
        SendInitialize(2)
    ]
    assert told(also(twice, viewed(Chain.ACTIVE, now=at(10 * PERIOD), block=9)), SendClaim)


def test_a_worker_cannot_report_what_only_the_scheduler_knows():
    task = task_after(*assigned(ANN), reported(ANN, [S.RUNNING]))
    with pytest.raises(IllegalTransition):
        also(task, reported(ANN, [S.WORKER_LOST], first=1))


def test_a_report_shows_that_a_worker_is_there():
    task = task_after(*assigned(ANN), reported(ANN, [S.RUNNING]), Lost(START, ANN))
    heard = also(task, reported(ANN, [S.APP_DOWNLOADING], first=1))
    assert heard.attempt(ANN).live
    assert not also(task, Ticked(at(1))).attempt(ANN).live


def test_a_repeated_report_is_no_sign_of_progress():
    task = task_after(*revealed(ANN))
    repeated = also(task, reported(ANN, TRUST_2_STANDARD, at=at(60)))
    assert repeated.attempt(ANN).heard_at == START
    assert repeated.attempt(ANN).log == task.attempt(ANN).log


def test_initialization_waits_for_a_worker_a_look_and_the_time():
    assert not outstanding(task_after())
    unseen = task_after(*assigned(ANN))
    assert not told(unseen, SendInitialize)
    seen = also(unseen, viewed(Chain.UNSET))
    assert told(seen, SendInitialize) == [SendInitialize(0)]
    late = also(seen, Ticked(at(7 * PERIOD)))
    assert not told(late, SendInitialize)
    assert replicates_needed(late, NEWCOMER) == 0


def test_an_absent_worker_is_told_nothing():
    task = task_after(*assigned(ANN), viewed(Chain.UNSET), Lost(START, ANN))
    assert outstanding(task) == (SendInitialize(0),)
    ended = task_after(*revealed(ANN), Lost(START, ANN))
    assert outstanding(ended) == ()


def test_a_worker_that_answered_is_not_offered_again():
    task = task_after(*assigned(ANN), reported(ANN, [S.RUNNING]))
    assert not told(task, TellOffer)


def test_who_is_sent_away_is_told_nothing_else():
    task = task_after(*assigned(ANN), viewed(Chain.ACTIVE, now=at(7 * PERIOD)))
    messages = [effect for effect in outstanding(task) if hasattr(effect, "worker")]
    assert messages == [TellEnd(ANN, S.ABORTED_ON_CONTRIBUTION_TIMEOUT)]


def test_activation_is_told_when_it_happened():
    working = task_after(*assigned(ANN), reported(ANN, [S.RUNNING]), viewed(Chain.UNSET))
    assert not told(working, TellActivated)
    active = also(working, viewed(Chain.ACTIVE, block=2))
    assert told(active, TellActivated) == [TellActivated(ANN)]


def test_who_has_revealed_is_not_asked_again():
    assert not told(task_after(*revealed(ANN)), TellReveal)


def test_only_the_chosen_winner_is_asked_for_the_result():
    assert told(task_after(*revealed(ANN, BOB)), TellUpload) == [TellUpload(ANN, 0)]
    gone = task_after(*revealed(ANN, BOB), Lost(START, ANN))
    assert told(gone, TellUpload) == [TellUpload(BOB, 0)]


def test_who_only_says_that_it_revealed_is_not_asked_for_the_result():
    """BOB reports REVEALED, but the chain says otherwise."""
    known = {ANN: contributed(ANN, status=C.PROVED), BOB: contributed(BOB)}
    seen = viewed(Chain.REVEALING, known, consensus=RIGHT, reveal_deadline=at(600))
    reports = (reported(worker, TRUST_2_STANDARD) for worker in (ANN, BOB))
    task = task_after(*assigned(BOB, ANN), *reports, seen)
    assert told(task, TellUpload) == [TellUpload(ANN, 0)]


def test_a_failed_upload_is_tried_again_after_a_pause_and_elsewhere_first():
    failed = [S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING, S.RESULT_UPLOAD_FAILED]
    alone = task_after(*revealed(ANN), reported(ANN, failed, first=12))
    assert not told(also(alone, Ticked(at(UPLOAD_PAUSE - 1))), TellUpload)
    assert told(also(alone, Ticked(at(UPLOAD_PAUSE))), TellUpload) == [TellUpload(ANN, 1)]
    both = task_after(*revealed(ANN, BOB), reported(ANN, failed, first=12))
    assert told(both, TellUpload) == [TellUpload(BOB, 0)]
