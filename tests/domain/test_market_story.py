"""What the chain's events say of a task: how it stands, and who must act."""

from __future__ import annotations

import pytest

from poolhand.domain.category import Category
from poolhand.domain.ids import Address, ResultHash, TaskId, TxHash
from poolhand.domain.market.task_story import TaskStanding, TaskStep, task_story
from poolhand.domain.onchain import EventKind as K
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds

S = TaskStanding
ONE, TWO = (Address(bytes([n] * 20)) for n in (1, 2))
RIGHT, WRONG = (ResultHash(bytes([n] * 32)) for n in (5, 6))
TASK = TaskId(b"\x2e" * 32)
XS = Category(0, "XS", Seconds(300))
"""Results until 2,100, reveals for 600, claims from 3,000."""
INIT = (K.TASK_INITIALIZE, 10, None, None)
FIRST = (K.TASK_CONTRIBUTE, 20, ONE, RIGHT)
OTHER = (K.TASK_CONTRIBUTE, 25, TWO, WRONG)
AGREED = (K.TASK_CONSENSUS, 30, None, RIGHT)
REVEAL = (K.TASK_REVEAL, 40, ONE, None)
REOPEN = (K.TASK_REOPEN, 700, None, None)
FINAL = (K.TASK_FINALIZE, 50, None, None)
CLAIM = (K.TASK_CLAIMED, 3_100, None, None)


def told(now, *steps):
    made = [
        TaskStep(kind, UnixSeconds(at), BlockNumber(at), TxHash(bytes(32)), who, what)
        for kind, at, who, what in steps
    ]
    return task_story(TASK, made, UnixSeconds(0), XS, UnixSeconds(now))


@pytest.mark.parametrize(
    ("now", "steps", "standing", "words"),
    [
        (5, (), S.WAITING, "the pool has to initialize it"),
        (2_100, (), S.WAITING, "wait for the last deadline"),
        (15, (INIT,), S.COMPUTING, "none has brought a result yet"),
        (21, (INIT, FIRST), S.COMPUTING, "asks more workers"),
        (2_100, (INIT, FIRST), S.COMPUTING, "wait for the last deadline"),
        (35, (INIT, FIRST, AGREED), S.REVEALING, "1 of 1 must still reveal"),
        (41, (INIT, FIRST, AGREED, REVEAL), S.REVEALING, "the pool stores it and finalizes"),
        (630, (INIT, FIRST, AGREED), S.REVEALING, "the pool opens the task again"),
        (710, (INIT, FIRST, AGREED, REOPEN), S.COMPUTING, "asks more workers"),
        (60, (INIT, FIRST, AGREED, REVEAL, FINAL), S.COMPLETED, "everybody is paid"),
        (3_000, (), S.OVERDUE, "no worker of the pool brought a result"),
        (3_000, (INIT, FIRST, OTHER), S.OVERDUE, "did not agree"),
        (3_000, (INIT, FIRST, AGREED), S.OVERDUE, "no worker revealed"),
        (3_000, (INIT, FIRST, AGREED, REVEAL), S.OVERDUE, "the pool did not finalize"),
        (3_000, (INIT, FIRST, AGREED, REOPEN), S.OVERDUE, "no worker revealed"),
        (3_200, (INIT, CLAIM), S.CLAIMED, "has its money back"),
    ],
)
def test_a_task_stands_as_its_events_say_and_names_who_must_act(now, steps, standing, words):
    story = told(now, *steps)
    assert (story.standing, words in story.words) == (standing, True), story.words


@pytest.mark.parametrize("now", [2_100, 3_000])
def test_what_can_only_be_claimed_is_told_with_the_line_that_claims_it(now):
    assert f"`poolhand task claim {TASK}`" in told(now, INIT).words


def test_each_worker_is_judged_by_what_was_agreed_on():
    story = told(40, INIT, FIRST, OTHER, AGREED, REVEAL)
    assert [(each.worker, each.agrees) for each in story.workers] == [(ONE, True), (TWO, False)]
    assert [each.revealed is not None for each in story.workers] == [True, False]


def test_who_agreed_and_did_not_reveal_is_told_after_the_task_is_opened_again():
    (worker,) = told(710, INIT, FIRST, AGREED, REOPEN).workers
    assert (worker.agrees, worker.reopened) == (None, True)


def test_deadlines_follow_from_the_deal_and_the_consensus():
    story = told(35, INIT, FIRST, AGREED)
    found = story.contribution_deadline, story.reveal_deadline, story.final_deadline
    assert found == (2_100, 630, 3_000)
