"""What a re-organised chain takes back, pools that are gone, and ends that are not deep yet."""

from dataclasses import replace

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
    offer,
    path,
    quick,
    replicate_at,
    view,
)

from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.machine import (
    Accepted,
    Acknowledged,
    Activated,
    ClaimDue,
    Clean,
    Cleaned,
    Ended,
    Finished,
    Forget,
    Recovered,
    RevealAsked,
    Run,
    Settled,
    TakenBack,
    UploadAsked,
    outstanding,
    replay,
    step,
)
from poolhand.domain.replicate.news import news_of
from poolhand.domain.units import BlockNumber, UnixSeconds

# ------------------------------------------------------------------------- what the chain took back


def mined(status, block, **kwargs):
    """Return a replicate at a status whose own transactions were mined in a block."""
    here = replicate_at(S.CONTRIBUTING, **kwargs)
    here = after(here, Finished(START, A.CONTRIBUTE, S.CONTRIBUTED, block=BlockNumber(block)))
    if status is S.CONTRIBUTED:
        return here
    here = after(
        here,
        RevealAsked(START),
        Finished(START, A.REVEAL, S.REVEALED, block=BlockNumber(block)),
    )
    told = {
        S.REVEALED: (),
        S.RESULT_UPLOAD_REQUEST_FAILED: (UploadAsked(START, ready=False),),
        S.RESULT_UPLOADED: (UploadAsked(START, ready=True), Finished(START, A.UPLOAD, status)),
        S.RESULT_UPLOAD_FAILED: (
            UploadAsked(START, ready=True),
            Finished(START, A.UPLOAD, S.RESULT_UPLOAD_FAILED),
        ),
    }
    here = after(here, *told[status])
    assert here.status is status
    return here


RESTING = [S.REVEALED, S.RESULT_UPLOAD_REQUEST_FAILED, S.RESULT_UPLOADED, S.RESULT_UPLOAD_FAILED]


@pytest.mark.parametrize("status", [S.CONTRIBUTED, *RESTING])
def test_a_contribution_that_the_chain_took_back_is_put_there_again(status):
    here = mined(status, 7)
    back = news(here, ChainTaskStatus.ACTIVE, block=9)
    assert back == TakenBack(LATER, A.CONTRIBUTE, BlockNumber(9))
    again, effects = step(here, back)
    assert (again.status, again.running) == (S.CONTRIBUTING, A.CONTRIBUTE)
    assert again.history[-1].detail == "the chain took it back"
    assert not again.reveal_asked
    assert Run(A.CONTRIBUTE) in effects
    done = after(again, Finished(LATER, A.CONTRIBUTE, S.CONTRIBUTED, block=BlockNumber(10)))
    seen = view(ChainTaskStatus.REVEALING, {ANN: contributed(ANN)}, consensus=RIGHT,
                reveal_deadline=START + 600, block=11)  # fmt: skip
    assert after(done, news_of(seen, done, ANN, LATER)).running is A.REVEAL


@pytest.mark.parametrize("status", RESTING)
def test_a_reveal_that_the_chain_took_back_is_made_again(status):
    here = mined(status, 7)
    kwargs = {"consensus": RIGHT, "reveal_deadline": START + 600}
    back = news(here, ChainTaskStatus.REVEALING, contributed(ANN), block=9, **kwargs)
    assert back == TakenBack(LATER, A.REVEAL, BlockNumber(9))
    again = after(here, back)
    assert (again.status, again.running) == (S.REVEALING, A.REVEAL)
    found = after(again, Finished(LATER, A.REVEAL, S.REVEALED, block=BlockNumber(10)))
    assert after(found, UploadAsked(LATER, ready=True)).running is A.UPLOAD


def test_a_contribution_taken_back_during_the_reveal_comes_first():
    revealing = after(mined(S.CONTRIBUTED, 7), RevealAsked(START))
    again = after(revealing, news(revealing, ChainTaskStatus.ACTIVE, block=9))
    assert (again.status, again.running) == (S.CONTRIBUTING, A.CONTRIBUTE)
    assert after(again, Finished(LATER, A.REVEAL, S.CANT_REVEAL)) == again


def test_an_upload_under_way_is_not_disturbed_by_a_reveal_taken_back():
    uploading = after(mined(S.REVEALED, 7), UploadAsked(START, ready=True))
    kwargs = {"consensus": RIGHT, "reveal_deadline": START + 600}
    own = contributed(ANN)
    assert news(uploading, ChainTaskStatus.REVEALING, own, block=9, **kwargs) is None
    over = after(uploading, Finished(LATER, A.UPLOAD, S.RESULT_UPLOAD_FAILED))
    assert isinstance(news(over, ChainTaskStatus.REVEALING, own, block=9, **kwargs), TakenBack)


@pytest.mark.parametrize(
    ("status", "kwargs"),
    [
        (ChainTaskStatus.UNSET, {"now": START + 9999}),
        (ChainTaskStatus.ACTIVE, {}),
        (ChainTaskStatus.ACTIVE, {"now": START + 7 * 300}),
        (ChainTaskStatus.REVEALING, {"consensus": WRONG}),
        (ChainTaskStatus.COMPLETED, {"consensus": WRONG}),
        (ChainTaskStatus.FAILED, {}),
    ],
)
def test_a_node_that_has_not_seen_our_transaction_yet_tells_nothing(status, kwargs):
    """Believed, it would have us contribute twice, or forget what holds our stake."""
    assert news(mined(S.CONTRIBUTED, 7), status, block=6, **kwargs) is None


def test_what_was_taken_back_is_sent_once_per_block_that_lacks_it():
    """The sender may still think that it is there, and say so at once."""
    here = mined(S.CONTRIBUTED, 7)
    again = after(here, news(here, ChainTaskStatus.ACTIVE, block=9))
    too_early = after(again, Finished(LATER, A.CONTRIBUTE, S.CONTRIBUTED, block=BlockNumber(7)))
    assert too_early.status is S.CONTRIBUTED
    assert news(too_early, ChainTaskStatus.ACTIVE, block=9) is None
    repeat = TakenBack(LATER, A.CONTRIBUTE, BlockNumber(9))
    assert after(too_early, repeat) == too_early
    assert isinstance(news(too_early, ChainTaskStatus.ACTIVE, block=10), TakenBack)


def test_a_quick_task_that_was_taken_back_is_contributed_again_and_one_that_never_was_is_not():
    uploaded = quick(Finished(START, A.UPLOAD, S.RESULT_UPLOADED, link="x"), Activated(START))
    waiting = replace(uploaded, running=None)
    assert news(waiting, ChainTaskStatus.ACTIVE, block=9) is None
    assert after(waiting, TakenBack(LATER, A.CONTRIBUTE, BlockNumber(9))) == waiting
    done = quick(*QUICK_CONTRIBUTED)
    assert after(done, news(done, ChainTaskStatus.ACTIVE, block=9)).running is A.CONTRIBUTE


def test_a_contribution_of_which_the_chain_will_hear_no_more_ends_at_its_deadline():
    late = news(mined(S.CONTRIBUTED, 7), ChainTaskStatus.ACTIVE, block=9, now=START + 7 * 300)
    assert late == Ended(LATER, S.ABORTED_ON_CONTRIBUTION_TIMEOUT, block=9)


# ----------------------------------------------------------------------------- pools that are gone


@pytest.mark.parametrize("status", [S.COMPUTING, S.COMPUTED, S.CONTRIBUTED])
def test_what_no_pool_ever_initializes_ends_at_the_deadline_to_contribute(status):
    here = replace(replicate_at(status), deadline=UnixSeconds(START + 2100))
    assert news(here, ChainTaskStatus.UNSET, now=START + 2099) is None
    over = after(here, news(here, ChainTaskStatus.UNSET, now=START + 2100))
    assert over.status is S.ABORTED_ON_CONTRIBUTION_TIMEOUT
    assert over.running is None
    assert Clean() in outstanding(over)


def test_the_deadline_comes_with_the_offer_and_an_old_journal_has_none():
    known = replay([Accepted(START, offer(), UnixSeconds(START + 2100))])
    assert known.deadline == START + 2100
    unknown = replay([Accepted(START, offer())])
    assert news(unknown, ChainTaskStatus.UNSET, now=START + 10**6) is None


GRACE = 300
DUE = START + 10 * 300 + GRACE


def late_news(replicate, status, own, now, grace=GRACE):
    kwargs = {"consensus": RIGHT} if status is ChainTaskStatus.REVEALING else {}
    seen = view(status, {ANN: own} if own else {}, now=now, block=9, **kwargs)
    return news_of(seen, replicate, ANN, LATER, grace)


@pytest.mark.parametrize(
    ("status", "chain", "own"),
    [
        (S.CONTRIBUTED, ChainTaskStatus.ACTIVE, C.CONTRIBUTED),
        (S.CONTRIBUTED, ChainTaskStatus.REVEALING, C.CONTRIBUTED),
        (S.REVEALED, ChainTaskStatus.REVEALING, C.PROVED),
        (S.RESULT_UPLOADED, ChainTaskStatus.REVEALING, C.PROVED),
    ],
)
def test_stake_that_no_pool_claims_is_claimed_by_its_worker(status, chain, own):
    here, mine = mined(status, 7), contributed(ANN, status=own)
    assert not isinstance(late_news(here, chain, mine, DUE - 1), ClaimDue)
    due = late_news(here, chain, mine, DUE)
    assert due == ClaimDue(LATER)
    claiming, effects = step(here, due)
    assert (claiming.status, claiming.running) == (status, A.CLAIM)
    assert Run(A.CLAIM) in effects
    assert late_news(claiming, chain, mine, DUE + 10) is None
    done = after(claiming, Finished(LATER, A.CLAIM, S.FAILED, "claimed"))
    assert (done.status, done.running) == (S.FAILED, None)
    assert Clean() in outstanding(done)


def test_nothing_is_claimed_without_stake_in_it_or_where_the_operator_forbids_it():
    here = mined(S.CONTRIBUTED, 7)
    assert not isinstance(late_news(here, ChainTaskStatus.ACTIVE, None, DUE), ClaimDue)
    own = contributed(ANN)
    assert late_news(here, ChainTaskStatus.ACTIVE, own, DUE + 10**6, grace=None) is None


def test_a_claim_of_ones_own_is_waited_for_and_survives_a_restart():
    claiming = after(mined(S.CONTRIBUTED, 7), ClaimDue(START), Recovered(LATER))
    assert path(claiming)[-2:] == [S.RECOVERING, S.CONTRIBUTED]
    assert claiming.running is A.CLAIM
    assert late_news(claiming, ChainTaskStatus.FAILED, contributed(ANN), DUE) is None
    done = after(claiming, Finished(LATER, A.CLAIM, S.FAILED))
    assert done.status is S.FAILED


def told_and_cleaned(replicate):
    cleaned = after(replicate, Cleaned(LATER))
    return after(cleaned, Acknowledged(LATER, len(cleaned.history)))


def test_the_end_is_told_cleaned_settled_and_forgotten():
    told = told_and_cleaned(after(replicate_at(S.CONTRIBUTED), Ended(LATER, S.COMPLETED)))
    assert outstanding(told) == ()
    assert outstanding(after(told, Settled(LATER))) == (Forget(),)


def test_what_never_touched_the_chain_is_forgotten_at_once():
    told = told_and_cleaned(after(replicate_at(S.COMPUTED), Ended(LATER, S.FAILED)))
    assert outstanding(told) == (Forget(),)


def test_an_end_settles_when_it_is_deep_and_no_stake_is_left():
    own = contributed(ANN, status=C.PROVED)
    over = after(mined(S.REVEALED, 7), Ended(LATER, S.COMPLETED, block=BlockNumber(8)))
    assert news(over, ChainTaskStatus.COMPLETED, own, consensus=RIGHT, block=13) is None
    deep = news(over, ChainTaskStatus.COMPLETED, own, consensus=RIGHT, block=14)
    assert deep == Settled(LATER)
    assert news(over, ChainTaskStatus.REVEALING, own, consensus=RIGHT, block=99) is None


def test_an_end_is_watched_while_a_contribution_that_was_taken_back_may_come_again():
    over = after(mined(S.REVEALED, 7), Ended(LATER, S.COMPLETED, block=BlockNumber(8)))
    over = replace(over, deadline=UnixSeconds(START + 2100))
    for status in (ChainTaskStatus.UNSET, ChainTaskStatus.ACTIVE, ChainTaskStatus.REVEALING):
        assert news(over, status, consensus=RIGHT, block=99) is None
        assert news(over, status, consensus=RIGHT, block=99, now=START + 2100) == Settled(LATER)
    refused = after(
        replicate_at(S.CONTRIBUTING), Finished(LATER, A.CONTRIBUTE, S.CONTRIBUTE_FAILED)
    )
    assert news(refused, ChainTaskStatus.ACTIVE, block=99) == Settled(LATER)


def test_stake_that_a_re_organisation_puts_at_risk_after_the_end_is_saved_once_more():
    over = after(mined(S.REVEALED, 7), Ended(LATER, S.COMPLETED, block=BlockNumber(8)))
    again = RevealAsked(LATER)
    assert after(over, again) == over, "the files are being removed"
    cleaned = after(over, Cleaned(LATER))
    kwargs = {"consensus": RIGHT, "reveal_deadline": START + 600, "block": 9}
    assert news(cleaned, ChainTaskStatus.REVEALING, contributed(ANN), **kwargs) == again
    saving, effects = step(cleaned, again)
    assert effects == (Run(A.REVEAL),)
    assert saving.history == over.history
    assert news(saving, ChainTaskStatus.REVEALING, contributed(ANN), **kwargs) is None
    saved = after(saving, Finished(LATER, A.REVEAL, S.REVEALED, block=BlockNumber(10)))
    assert (saved.running, saved.mined_at, saved.history) == (None, 10, over.history)
    late = {**kwargs, "now": START + 600, "block": 99}
    assert news(cleaned, ChainTaskStatus.REVEALING, contributed(ANN), **late) is None


@pytest.mark.parametrize("own", [C.REJECTED, C.CONTRIBUTED])
def test_the_stake_of_who_missed_the_reveal_is_claimed_as_well(own):
    missed = after(mined(S.CONTRIBUTED, 7), Ended(LATER, S.REVEAL_TIMEOUT), Cleaned(LATER))
    assert late_news(missed, ChainTaskStatus.ACTIVE, contributed(ANN, status=own), DUE - 1) is None
    due = late_news(missed, ChainTaskStatus.ACTIVE, contributed(ANN, status=own), DUE)
    claiming = after(missed, due)
    assert claiming.running is A.CLAIM
    done = after(claiming, Finished(LATER, A.CLAIM, S.FAILED, block=BlockNumber(20)))
    assert (done.status, done.running) == (S.REVEAL_TIMEOUT, None)
