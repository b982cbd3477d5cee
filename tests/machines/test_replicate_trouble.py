"""What nobody expected of a replicate: hands that raise, and sudden ends of the program."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import (
    ANN,
    LATER,
    START,
    TASK,
    A,
    S,
    after,
    contributed,
    news,
    path,
    replicate_at,
    view,
)

from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.blame import judge, words
from poolhand.domain.replicate.events import FOR_THE_STAKE, STATUS_OF_FAULT, STEP_OF_ACTION
from poolhand.domain.replicate.machine import (
    Action,
    Activated,
    ClaimDue,
    Clean,
    Cleaned,
    Ended,
    Faulted,
    Finished,
    Flow,
    Outlived,
    Quarantined,
    Recovered,
    RevealAsked,
    Run,
    Settled,
    Tried,
    UploadAsked,
    outstanding,
)
from poolhand.domain.replicate.news import FAULT_PAUSE, news_of
from poolhand.domain.units import Seconds, UnixSeconds

Chain = ChainTaskStatus
SUDDEN = Recovered(LATER, sudden=True)
WHY = "a hand fell over"


def test_every_stage_but_the_claim_has_a_failure_that_may_follow_it():
    assert STATUS_OF_FAULT.keys() == STEP_OF_ACTION.keys() == set(Action)
    assert [each for each in Action if STATUS_OF_FAULT[each] is None] == [A.CLAIM]


@pytest.mark.case("A1")
@pytest.mark.parametrize(
    ("status", "action", "ends"),
    [
        (S.APP_DOWNLOADING, A.DOWNLOAD_APP, [S.APP_DOWNLOAD_FAILED, S.FAILED]),
        (S.DATA_DOWNLOADING, A.DOWNLOAD_DATA, [S.DATA_DOWNLOAD_FAILED, S.FAILED]),
        (S.COMPUTING, A.COMPUTE, [S.COMPUTE_FAILED, S.FAILED]),
        (S.CONTRIBUTING, A.CONTRIBUTE, [S.CONTRIBUTE_FAILED, S.FAILED]),
        (S.REVEALING, A.REVEAL, [S.REVEAL_FAILED]),
    ],
)
def test_a_hand_that_raises_ends_its_stage_in_words(status, action, ends):
    over = after(replicate_at(status), Faulted(LATER, action, WHY))
    assert path(over)[-len(ends) :] == ends
    assert over.history[-len(ends)].detail == over.trouble.words == WHY
    assert over.is_over is (ends[-1] is S.FAILED)


def test_a_check_that_raises_ends_the_replicate():
    checking = after(replicate_at(S.COMPUTED), Activated(START))
    over = after(checking, Faulted(LATER, A.CHECK, WHY))
    assert (over.status, over.history[-1].detail) == (S.FAILED, WHY)


# --------------------------------------------------------------------- stake that is looked after


def faulty_contribution():
    made = after(replicate_at(S.CONTRIBUTING), Faulted(LATER, A.CONTRIBUTE, WHY), Cleaned(LATER))
    assert made.is_watched
    return made


def test_a_contribution_that_may_be_on_its_way_is_watched_until_it_can_come_no_more():
    over = faulty_contribution()
    assert news(over, Chain.ACTIVE, now=START + 10, block=50) is None
    late = news(over, Chain.ACTIVE, now=START + 7 * 300, block=50)
    assert isinstance(late, Settled)


def test_one_that_came_after_all_is_revealed_and_claimed():
    over = faulty_contribution()
    known = {"consensus": replicate_at(S.CONTRIBUTING).digest, "reveal_deadline": START + 900}
    seen = news_at(over, Chain.REVEALING, contributed(ANN), START + 100, now=START + 100, **known)
    assert isinstance(seen, RevealAsked)
    assert after(over, seen).running is A.REVEAL
    left = news_at(
        over, Chain.ACTIVE, contributed(ANN), START + 4000, now=START + 4000, grace=Seconds(300)
    )
    assert isinstance(left, ClaimDue)


def news_at(replicate, status, own, at, *, grace=None, **kwargs):
    seen = view(status, {ANN: own}, **kwargs)
    return news_of(seen, replicate, ANN, UnixSeconds(at), grace)


def test_a_reveal_that_raised_is_asked_for_again_a_little_later():
    failed = after(replicate_at(S.REVEALING), Faulted(LATER, A.REVEAL, WHY))
    known = {"consensus": failed.digest, "reveal_deadline": START + 900, "now": START + 100}
    own = contributed(ANN)
    assert news_at(failed, Chain.REVEALING, own, LATER, **known) is None
    again = news_at(failed, Chain.REVEALING, own, LATER + 5, **known)
    assert after(failed, again).running is A.REVEAL


@pytest.mark.parametrize("is_over", [False, True])
def test_a_claim_that_raises_is_tried_again_with_growing_pauses_for_ever(is_over):
    held = replicate_at(S.CONTRIBUTED)
    if is_over:
        held = after(held, Ended(START, S.REVEAL_TIMEOUT), Cleaned(START))
    at = START + 4000
    for tries in range(1, 9):
        due = news_at(
            held, Chain.ACTIVE, contributed(ANN), at, now=START + 4000, grace=Seconds(300)
        )
        assert isinstance(due, ClaimDue), tries
        held = after(held, due, Faulted(UnixSeconds(at), A.CLAIM, WHY))
        assert held.running is None
        soon = news_at(
            held, Chain.ACTIVE, contributed(ANN), at + 9, now=START + 4000, grace=Seconds(300)
        )
        assert soon is None
        at += min(FAULT_PAUSE * tries, 30)


def test_a_claim_that_raises_does_not_keep_the_chain_from_ending_the_replicate():
    claiming = after(replicate_at(S.CONTRIBUTED), ClaimDue(START), Faulted(LATER, A.CLAIM, WHY))
    end = news_at(claiming, Chain.FAILED, contributed(ANN), LATER, now=START + 4000)
    assert after(claiming, end).status is S.FAILED


def test_an_upload_that_raises_leaves_the_stake_to_be_looked_after():
    revealed = after(replicate_at(S.REVEALED), UploadAsked(START, ready=True))
    failed = after(revealed, Faulted(LATER, A.UPLOAD, WHY))
    assert failed.status is S.RESULT_UPLOAD_FAILED
    assert after(failed, UploadAsked(LATER, ready=True)).running is A.UPLOAD


# ------------------------------------------------------------------------------------- quarantine


def twice(replicate):
    return after(replicate, SUDDEN, SUDDEN)


@pytest.mark.case("A1")
@pytest.mark.parametrize("status", [S.APP_DOWNLOADING, S.DATA_DOWNLOADING, S.COMPUTING])
def test_who_brings_the_program_down_twice_alone_is_quarantined_and_given_up(status):
    once = after(replicate_at(status), SUDDEN)
    assert judge({TASK: once}).guilty == ()
    assert Run(once.running) in outstanding(once)
    guilty = twice(replicate_at(status))
    assert judge({TASK: guilty}).guilty == (TASK,)
    assert not any(isinstance(each, Run) for each in outstanding(guilty))
    over = after(guilty, Quarantined(LATER, words(guilty)))
    assert over.status is S.FAILED
    assert "2 times" in over.trouble.words
    assert Clean() in outstanding(over)


@pytest.mark.parametrize("status", [S.REVEALING, S.REVEALED])
def test_in_quarantine_a_contribution_is_still_looked_after(status):
    held = replicate_at(status)
    shut = after(held, Quarantined(LATER, "quarantined"))
    assert not shut.is_over
    if status is S.REVEALING:
        assert (shut.running, shut.status) == (None, S.REVEAL_FAILED)
        assert after(shut, RevealAsked(LATER)).running is A.REVEAL
    asked = after(shut, UploadAsked(LATER, ready=True))
    assert asked.running is not A.UPLOAD
    assert after(shut, ClaimDue(LATER)).running is A.CLAIM


def test_an_upload_in_quarantine_is_declined_in_words_so_that_another_worker_is_asked():
    shut = after(replicate_at(S.REVEALED), Quarantined(LATER, "quarantined: why"))
    asked = after(shut, UploadAsked(LATER, ready=True))
    assert asked.status is S.RESULT_UPLOAD_REQUEST_FAILED
    assert asked.history[-1].detail == "quarantined: why"


@pytest.mark.parametrize(
    "between",
    [
        [Recovered(LATER)],
        [Outlived(LATER)],
        [Finished(LATER, A.DOWNLOAD_APP, S.APP_DOWNLOADED)],
    ],
)
def test_an_orderly_end_a_minute_or_progress_clears_a_replicate(between):
    held = after(replicate_at(S.APP_DOWNLOADING), SUDDEN, *between, SUDDEN)
    assert held.trouble.falls == 1
    assert judge({TASK: held}).guilty == ()


def test_a_replicate_that_waits_is_not_to_blame():
    waiting = replicate_at(S.CONTRIBUTED)
    assert waiting.running is None
    assert twice(waiting).trouble.falls == 0


def name(number):
    return TaskId(bytes([number]) * 32)


def test_the_innocent_neighbours_of_a_guilty_one_go_on():
    """Four stages at work, one of which kills the program whenever it is begun."""
    held = {name(number): replicate_at(S.COMPUTING) for number in range(4)}
    guilty, quarantined, ends = name(2), None, 0
    while quarantined is None:
        begun = [each for each in held if Run(A.COMPUTE) in outstanding(held[each])]
        if guilty in begun:
            ends += 1
            held = {each: after(replicate, SUDDEN) for each, replicate in held.items()}
            verdict = judge(held)
            quarantined = verdict.guilty or None
            turns = list(verdict.suspects)
            continue
        turn = turns.pop(0)
        held[turn] = after(held[turn], Tried(LATER))
        if turn != guilty:
            held[turn] = after(held[turn], Outlived(LATER))
    assert quarantined == (guilty,)
    assert ends == 3


@given(st.lists(st.sampled_from(["kill", "stop", "outlive"]), max_size=30), st.integers(2, 5))
def test_who_is_judged_guilty_had_fallen_twice_in_a_row_and_alone_the_last_time(story, count):
    held = {name(number): replicate_at(S.COMPUTING) for number in range(count)}
    events = {"kill": SUDDEN, "stop": Recovered(LATER), "outlive": Outlived(LATER)}
    for word in story:
        held = {each: after(replicate, events[word]) for each, replicate in held.items()}
        verdict = judge(held)
        assert verdict.guilty == ()  # all fell together, so none was alone
        assert not set(verdict.suspects) & set(verdict.guilty)


def test_stake_is_saved_even_by_who_is_suspected():
    assert {A.REVEAL, A.CLAIM} == FOR_THE_STAKE
    held = twice(replicate_at(S.REVEALING))
    assert Run(A.REVEAL) in outstanding(held)


def test_cleaning_that_brings_the_program_down_is_given_up():
    over = after(replicate_at(S.COMPUTING), Ended(START, S.FAILED))
    guilty = twice(over)
    assert judge({TASK: guilty}).guilty == (TASK,)
    assert Clean() not in outstanding(guilty)
    assert after(guilty, Quarantined(LATER, words(guilty))).cleaned


def test_the_quick_flow_is_given_up_before_its_contribution_only():
    quick = replicate_at(S.COMPUTING, Flow.CONTRIBUTE_AND_FINALIZE)
    assert after(quick, Quarantined(LATER, "q")).is_over
