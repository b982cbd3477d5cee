"""Hard cases of a worker's replicate: crashes, races, empty wallets, ends of every kind."""

import pytest
from stories import (
    ANN,
    LATER,
    QUICK_CONTRIBUTED,
    RIGHT,
    START,
    WRONG,
    A,
    C,
    S,
    after,
    contributed,
    news,
    path,
    quick,
    replicate_at,
    view,
)

from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.machine import (
    Activated,
    Clean,
    Cleaned,
    Ended,
    Finished,
    Flow,
    Forget,
    Recovered,
    Refilled,
    RevealAsked,
    Run,
    UploadAsked,
    outstanding,
    step,
)
from poolhand.domain.replicate.news import news_of
from poolhand.domain.replicate.status import EDGES, FINAL, Status
from poolhand.domain.units import UnixSeconds

MAIN_PATH = [S.APP_DOWNLOADING, S.DATA_DOWNLOADING, S.COMPUTING, S.COMPUTED, S.CONTRIBUTING,
             S.CONTRIBUTED, S.REVEALING, S.REVEALED]  # fmt: skip


@pytest.mark.parametrize("status", MAIN_PATH)
def test_a_restarted_worker_goes_on_where_it_was(status):
    before = replicate_at(status)
    back = after(before, Recovered(LATER))
    assert path(back)[-2:] == [S.RECOVERING, status]
    assert back.running is before.running
    asked = {effect for effect in outstanding(back) if isinstance(effect, Run)}
    assert asked == {effect for effect in outstanding(before) if isinstance(effect, Run)}


def test_a_contribution_mined_during_a_crash_is_not_lost():
    back = after(replicate_at(S.CONTRIBUTING), Recovered(LATER))
    done, effects = step(back, Finished(LATER, A.CONTRIBUTE, S.CONTRIBUTED))
    assert done.status is S.CONTRIBUTED
    assert not any(isinstance(effect, Run) for effect in effects)


def test_activation_before_the_end_of_the_computation_is_remembered():
    early = after(replicate_at(S.COMPUTING), Activated(START))
    assert early.status is S.COMPUTING
    done = after(early, Finished(LATER, A.COMPUTE, S.COMPUTED, digest=RIGHT))
    assert done.running is A.CHECK


@pytest.mark.parametrize("flow", Flow)
def test_a_result_waits_until_the_task_is_active(flow):
    done = [Finished(START, A.COMPUTE, S.COMPUTED, digest=RIGHT)]
    if flow is Flow.CONTRIBUTE_AND_FINALIZE:
        done.append(Finished(START, A.UPLOAD, S.RESULT_UPLOADED, link="x"))
    waiting = after(replicate_at(S.COMPUTING, flow), *done)
    assert waiting.running is None
    assert after(waiting, Activated(LATER)).running is A.CHECK


def test_only_the_end_is_cleaned_up_after():
    working = replicate_at(S.COMPUTING)
    assert after(working, Cleaned(START)) == working


def test_a_reveal_asked_before_the_receipt_is_remembered():
    early = after(replicate_at(S.CONTRIBUTING), RevealAsked(START))
    assert early.running is A.CONTRIBUTE
    done = after(early, Finished(LATER, A.CONTRIBUTE, S.CONTRIBUTED))
    assert (done.status, done.running) == (S.REVEALING, A.REVEAL)


@pytest.mark.parametrize("digest", [RIGHT, WRONG])
def test_a_consensus_during_the_contribution_waits_for_its_outcome(digest):
    working = replicate_at(S.CONTRIBUTING)
    assert news(working, ChainTaskStatus.REVEALING, consensus=digest) is None
    refused = Finished(LATER, A.CONTRIBUTE, S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE)
    assert path(after(working, refused))[-2:] == [refused.outcome, S.FAILED]


def test_a_contribution_to_another_result_is_kept_until_the_end():
    """Its group may win after a reopen; who has forgotten it then loses the stake."""
    loser = replicate_at(S.CONTRIBUTED)
    own = contributed(ANN)
    kwargs = {"consensus": WRONG, "reveal_deadline": START + 600}
    assert news(loser, ChainTaskStatus.REVEALING, own, **kwargs) is None
    assert news(loser, ChainTaskStatus.ACTIVE, own) is None
    won = news(loser, ChainTaskStatus.REVEALING, own, consensus=RIGHT, reveal_deadline=START + 900)
    assert after(loser, won).status is S.REVEALING
    end = news(loser, ChainTaskStatus.COMPLETED, own, consensus=WRONG)
    assert after(loser, end).status is S.ABORTED_ON_CONSENSUS_REACHED


def test_a_task_completed_during_the_reveal_waits_for_the_receipt():
    working = replicate_at(S.REVEALING)
    proved = contributed(ANN, status=C.PROVED)
    assert news(working, ChainTaskStatus.COMPLETED, proved, consensus=RIGHT) is None
    done = after(working, Finished(LATER, A.REVEAL, S.REVEALED))
    end = news(done, ChainTaskStatus.COMPLETED, proved, consensus=RIGHT)
    assert after(done, end).status is S.COMPLETED


def test_a_refused_reveal_is_tried_again_while_stake_is_at_risk():
    refused = after(replicate_at(S.REVEALING), Finished(START, A.REVEAL, S.REVEAL_FAILED))
    assert (refused.status, refused.running) == (S.REVEAL_FAILED, None)
    again = news(
        refused,
        ChainTaskStatus.REVEALING,
        contributed(ANN),
        consensus=RIGHT,
        reveal_deadline=START + 600,
    )
    assert again == RevealAsked(LATER)
    retried = after(refused, again)
    assert (retried.status, retried.running) == (S.REVEALING, A.REVEAL)


def test_a_refused_reveal_that_was_mined_after_all_is_found_out():
    refused = after(replicate_at(S.REVEALING), Finished(START, A.REVEAL, S.REVEAL_FAILED))
    proved = contributed(ANN, status=C.PROVED)
    seen = news(refused, ChainTaskStatus.REVEALING, proved, consensus=RIGHT)
    found = after(refused, seen, Finished(LATER, A.REVEAL, S.REVEALED))
    assert found.status is S.REVEALED


def test_a_refused_reveal_is_never_given_up_before_the_deadline_and_tried_ever_slower():
    refused, now, pauses = replicate_at(S.REVEALING), START, []
    while now < START + 560:
        failed = Finished(UnixSeconds(now), A.REVEAL, S.REVEAL_FAILED)
        refused, since = after(refused, failed), now
        while news_at(refused, now) is None:
            now += 1
        pauses.append(now - since)
        refused = after(refused, RevealAsked(UnixSeconds(now)))
        assert refused.running is A.REVEAL
    assert pauses[:3] == [5, 10, 15]
    assert set(pauses[5:]) == {30}
    missed = news_at(after(refused, failed), START + 600)
    assert missed == Ended(START + 600, S.REVEAL_TIMEOUT, block=1)


def news_at(replicate, now):
    """Return the news of a consensus that may be revealed until 600 s after the start."""
    seen = view(ChainTaskStatus.REVEALING, {ANN: contributed(ANN)}, now=now, consensus=RIGHT,
                reveal_deadline=START + 600)  # fmt: skip
    return news_of(seen, replicate, ANN, UnixSeconds(now))


def test_who_cannot_reveal_keeps_the_result_until_the_chain_ends_the_task():
    """A re-organisation may take the consensus back and bring it again."""
    barred = after(replicate_at(S.REVEALING), Finished(START, A.REVEAL, S.CANT_REVEAL))
    assert (barred.status, barred.running) == (S.CANT_REVEAL, None)
    assert Clean() not in outstanding(barred)
    assert news(barred, ChainTaskStatus.ACTIVE, contributed(ANN)) is None
    asked = news_at(barred, START + 30)
    assert after(barred, asked).running is A.REVEAL
    assert after(barred, Ended(LATER, S.REVEAL_TIMEOUT)).status is S.REVEAL_TIMEOUT


def test_an_upload_asked_twice_is_done_once_at_a_time():
    asked = after(replicate_at(S.REVEALED), UploadAsked(START, ready=True))
    assert asked.running is A.UPLOAD
    twice, effects = step(asked, UploadAsked(START, ready=True))
    assert (twice, effects) == (asked, ())
    stored = after(asked, Finished(START, A.UPLOAD, S.RESULT_UPLOADED, link="x"))
    assert after(stored, UploadAsked(START, ready=True)).running is A.UPLOAD


def test_a_lost_result_is_told_and_may_be_asked_for_again():
    gone = after(replicate_at(S.REVEALED), UploadAsked(START, ready=False))
    assert path(gone)[-2:] == [S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOAD_REQUEST_FAILED]
    assert gone.running is None
    assert after(gone, UploadAsked(START, ready=True)).running is A.UPLOAD


def test_a_lost_race_after_the_upload_costs_nothing_but_work():
    lost = quick(
        Finished(START, A.UPLOAD, S.RESULT_UPLOADED, link="x"),
        Activated(START),
        Finished(START, A.CHECK, S.CAN_CONTRIBUTE),
        Finished(START, A.CONTRIBUTE, S.CONTRIBUTE_FAILED),
    )
    assert path(lost)[-2:] == [S.CONTRIBUTE_FAILED, S.FAILED]


def test_a_quick_task_without_a_stored_result_is_never_contributed():
    failed = quick(Activated(START), Finished(START, A.UPLOAD, S.RESULT_UPLOAD_FAILED))
    assert path(failed)[-2:] == [S.RESULT_UPLOAD_FAILED, S.FAILED]
    waiting = quick(Finished(START, A.UPLOAD, S.RESULT_UPLOADED, link="x"))
    assert waiting.running is None
    assert after(waiting, UploadAsked(START, ready=True)) == waiting


@pytest.mark.parametrize(
    ("action", "status"), [(A.CONTRIBUTE, S.CONTRIBUTING), (A.REVEAL, S.REVEALING)]
)
def test_an_empty_wallet_goes_on_when_refilled_or_restarted(action, status):
    """The wallet may have been refilled while the worker was down, and nobody else would tell."""
    dry = after(replicate_at(status), Finished(START, action, S.OUT_OF_GAS))
    assert (dry.status, dry.running) == (S.OUT_OF_GAS, None)
    for event in (Refilled(LATER), Recovered(LATER)):
        back, effects = step(dry, event)
        assert (back.status, back.running, back.parked) == (status, action, None)
        assert Run(action) in effects


def test_a_quick_task_is_never_revealed():
    assert after(quick(*QUICK_CONTRIBUTED), RevealAsked(START)).running is None


def test_a_standard_upload_ends_the_work_though_the_task_is_active():
    asked = after(replicate_at(S.REVEALED), UploadAsked(START, ready=True))
    assert asked.active
    stored = after(asked, Finished(START, A.UPLOAD, S.RESULT_UPLOADED, link="x"))
    assert (stored.status, stored.running) == (S.RESULT_UPLOADED, None)


def test_a_failed_upload_is_no_failure_once_stake_is_at_risk():
    asked = after(replicate_at(S.REVEALED), UploadAsked(START, ready=True))
    failed = after(asked, Finished(START, A.UPLOAD, S.RESULT_UPLOAD_FAILED))
    assert (failed.status, failed.running) == (S.RESULT_UPLOAD_FAILED, None)
    assert after(failed, UploadAsked(START, ready=True)).running is A.UPLOAD


def test_what_stages_found_out_is_kept_for_later_stages():
    computed = Finished(START, A.COMPUTE, S.COMPUTED, digest=RIGHT, callback_data=b"call")
    made = after(replicate_at(S.COMPUTING, Flow.CONTRIBUTE_AND_FINALIZE), computed)
    late = after(made, *QUICK_CONTRIBUTED)
    assert (late.digest, late.callback_data, late.link) == (RIGHT, b"call", "x")


def test_nothing_is_forgotten_before_it_is_told():
    over = after(replicate_at(S.CONTRIBUTED), Ended(LATER, S.COMPLETED), Cleaned(LATER))
    assert Forget() not in outstanding(over)
    assert {type(effect).__name__ for effect in outstanding(over)} == {"Report"}


# ------------------------------------------------------------------------------ news of the chain


def test_news_is_told_once():
    waiting = replicate_at(S.COMPUTED)
    assert news(waiting, ChainTaskStatus.UNSET) is None
    active = news(waiting, ChainTaskStatus.ACTIVE)
    assert active == Activated(LATER)
    assert news(after(waiting, active), ChainTaskStatus.ACTIVE) is None
    contributed_ = replicate_at(S.CONTRIBUTED)
    revealing = {"consensus": RIGHT, "reveal_deadline": START + 600}
    ask = news(contributed_, ChainTaskStatus.REVEALING, contributed(ANN), **revealing)
    assert ask == RevealAsked(LATER)
    asked = after(contributed_, ask)
    assert news(asked, ChainTaskStatus.REVEALING, contributed(ANN), **revealing) is None


def test_a_late_reveal_under_way_is_waited_for_any_other_is_over():
    late = {"consensus": RIGHT, "reveal_deadline": START + 5, "now": START + 5}
    own = contributed(ANN)
    assert news(replicate_at(S.REVEALING), ChainTaskStatus.REVEALING, own, **late) is None
    missed = news(replicate_at(S.CONTRIBUTED), ChainTaskStatus.REVEALING, own, **late)
    assert missed == Ended(LATER, S.REVEAL_TIMEOUT, block=1)


def test_a_late_contribution_under_way_is_waited_for_any_other_is_over():
    late = {"now": START + 7 * 300}
    end = Ended(LATER, S.ABORTED_ON_CONTRIBUTION_TIMEOUT, block=1)
    assert news(replicate_at(S.COMPUTED), ChainTaskStatus.ACTIVE, **late) == end
    assert news(replicate_at(S.CONTRIBUTING), ChainTaskStatus.ACTIVE, **late) is None
    assert (
        news(replicate_at(S.CONTRIBUTED), ChainTaskStatus.ACTIVE, contributed(ANN), **late) is None
    )


def test_a_contribution_under_way_outlives_the_task():
    working = replicate_at(S.CONTRIBUTING)
    assert news(working, ChainTaskStatus.COMPLETED, consensus=WRONG) is None
    proved = contributed(ANN, status=C.PROVED)
    assert news(working, ChainTaskStatus.COMPLETED, proved, consensus=RIGHT) is None


def test_another_digest_under_our_name_is_not_ours_to_reveal():
    """The wallet was used elsewhere: the journal cannot prove what is on chain."""
    here = replicate_at(S.CONTRIBUTED)
    foreign = contributed(ANN, WRONG)
    kwargs = {"consensus": WRONG, "reveal_deadline": START + 600}
    assert news(here, ChainTaskStatus.REVEALING, foreign, **kwargs) is None


@pytest.mark.parametrize(
    ("status", "own", "end"),
    [
        (ChainTaskStatus.COMPLETED, contributed(ANN, status=C.PROVED), S.COMPLETED),
        (ChainTaskStatus.COMPLETED, contributed(ANN), S.REVEAL_TIMEOUT),
        (ChainTaskStatus.COMPLETED, contributed(ANN, WRONG), S.ABORTED_ON_CONSENSUS_REACHED),
        (ChainTaskStatus.COMPLETED, None, S.ABORTED_ON_CONSENSUS_REACHED),
        (ChainTaskStatus.REVEALING, None, S.ABORTED_ON_CONSENSUS_REACHED),
        (ChainTaskStatus.ACTIVE, contributed(ANN, status=C.REJECTED), S.REVEAL_TIMEOUT),
        (ChainTaskStatus.FAILED, contributed(ANN), S.FAILED),
    ],
)
def test_the_chain_says_how_it_ends(status, own, end):
    seen = news(replicate_at(S.CONTRIBUTED), status, own, consensus=RIGHT)
    assert (type(seen), seen.status) == (Ended, end)


LIVE = [status for status in Status if status not in FINAL and status is not S.CREATED]
BY_CHAIN = sorted(FINAL)


@pytest.mark.parametrize("end", BY_CHAIN)
@pytest.mark.parametrize("status", [*MAIN_PATH, S.OUT_OF_GAS, S.REVEAL_FAILED])
def test_the_chain_can_end_a_replicate_wherever_it_stands(status, end):
    """Even after a re-organisation or the loss of the journal's last lines."""
    if status is S.OUT_OF_GAS:
        here = after(replicate_at(S.CONTRIBUTING), Finished(START, A.CONTRIBUTE, status))
    elif status is S.REVEAL_FAILED:
        here = after(replicate_at(S.REVEALING), Finished(START, A.REVEAL, status))
    else:
        here = replicate_at(status)
    over = after(here, Ended(LATER, end))
    assert (over.status, over.running, over.parked) == (end, None, None)
    assert Clean() in outstanding(over)


@pytest.mark.parametrize("status", LIVE)
def test_every_live_status_survives_an_interruption(status):
    assert S.WORKER_LOST in EDGES[status] or status is S.WORKER_LOST
    assert status in EDGES[S.WORKER_LOST] | {S.WORKER_LOST}
    assert status in EDGES[S.RECOVERING] | {S.RECOVERING}
