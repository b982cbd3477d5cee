"""Which event decided: stories of two rounds, where the last event is not always the right one."""

from __future__ import annotations

import pytest

from poolhand.domain.ids import Address, BlockHash, DealId, ResultHash, TaskId, TxHash
from poolhand.domain.onchain import EventKind, HubEvent
from poolhand.domain.replicate.events import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task.model import Attempt, Task, TaskFacts
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.task.story import block_of, decision, durations
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, UnixSeconds

K, S = EventKind, Status
TASK = TaskId(bytes(32))
A, B, C, D = (Address(bytes([n] * 20)) for n in range(1, 5))
ONE, TWO = ResultHash(bytes([1] * 32)), ResultHash(bytes([2] * 32))


def event(block, kind, worker=None, result=None, tx=None):
    return HubEvent(
        kind,
        BlockNumber(block),
        BlockHash(bytes(32)),
        TxHash(bytes([tx or block] * 32)),
        0,
        task_id=TASK,
        worker=worker,
        result_hash=result,
    )


# A and B contribute ONE, nobody reveals; C and D contribute TWO, C reveals and is finalized.
STORY = (
    event(1, K.TASK_INITIALIZE),
    event(2, K.TASK_CONTRIBUTE, A, ONE),
    event(3, K.TASK_CONTRIBUTE, C, TWO),
    event(4, K.TASK_CONTRIBUTE, B, ONE),
    event(4, K.TASK_CONSENSUS, result=ONE),
    event(5, K.TASK_REOPEN),
    event(6, K.TASK_CONTRIBUTE, D, TWO),
    event(6, K.TASK_CONSENSUS, result=TWO),
    event(7, K.TASK_REVEAL, C),
    event(8, K.TASK_FINALIZE),
)


def task():
    moment = UnixSeconds(0)
    deal = DealId(bytes(32))
    facts = TaskFacts(TASK, deal, 0, Trust(4), Flow.STANDARD, NO_TAG, moment, moment)
    history = ((TaskStatus.RUNNING, UnixSeconds(0)), (TaskStatus.REOPENING, UnixSeconds(1000)))
    return Task(facts, UnixSeconds(2000), history=history)


def attempt(worker, *statuses, at=0, told=frozenset()):
    log = tuple(Entry(status, UnixSeconds(at)) for status in (S.CREATED, *statuses))
    return Attempt(worker, Weight(2), log, told=told)


@pytest.mark.parametrize(
    ("worker", "status", "at", "block"),
    [
        (A, S.REVEAL_TIMEOUT, 0, 5),
        (B, S.REVEAL_TIMEOUT, 0, 5),
        (D, S.REVEAL_TIMEOUT, 1500, 8),  # was part of the second consensus and did not reveal
        (C, S.COMPLETED, 0, 8),
        (Address(bytes([9] * 20)), S.ABORTED_ON_CONSENSUS_REACHED, 10, 4),
        (Address(bytes([9] * 20)), S.ABORTED_ON_CONSENSUS_REACHED, 1500, 6),
    ],
)
def test_each_replicate_is_decided_by_the_event_of_its_own_round(worker, status, at, block):
    found = decision(task(), attempt(worker, status, at=at), STORY)
    assert found.event.block == block


def test_a_contributor_of_another_result_is_decided_by_the_last_consensus():
    loser = Address(bytes([9] * 20))
    events = (*STORY[:2], event(2, K.TASK_CONTRIBUTE, loser, ResultHash(bytes(32))), *STORY[2:])
    found = decision(task(), attempt(loser, S.ABORTED_ON_CONSENSUS_REACHED), events)
    assert (found.event.block, found.worker, found.result_hash) == (6, D, TWO)


@pytest.mark.parametrize("status", [S.RUNNING, S.CONTRIBUTED, S.ABORTED_ON_CONTRIBUTION_TIMEOUT])
def test_nothing_decided_what_goes_on_or_ran_out_of_time(status):
    assert decision(task(), attempt(A, status), STORY) is None


@pytest.mark.parametrize("status", [S.COMPLETED, S.REVEAL_TIMEOUT, S.ABORTED_ON_CONSENSUS_REACHED])
def test_a_story_that_is_not_known_decides_nothing(status):
    assert decision(task(), attempt(A, status), ()) is None


def test_only_a_replicate_that_had_not_failed_is_ended_by_the_claim():
    events = (*STORY[:4], event(9, K.TASK_CLAIMED))
    assert decision(task(), attempt(A, S.CONTRIBUTED, S.FAILED), events).event.block == 9
    assert decision(task(), attempt(A, S.COMPUTE_FAILED, S.FAILED), events) is None
    barred = attempt(A, S.RUNNING)
    barred = barred.enter(Entry(S.FAILED, UnixSeconds(1), "COMPLETED cannot follow RUNNING"))
    assert decision(task(), barred, events) is None


def test_a_block_is_that_of_the_transaction():
    assert block_of(STORY[3].tx_hash, STORY) == 4
    assert block_of(TxHash(bytes([99] * 32)), STORY) is None
    assert block_of(None, STORY) is None


def test_a_duration_needs_one_clock_that_goes_forward():
    made = attempt(A)
    for status, at in ((S.RUNNING, 100), (S.APP_DOWNLOADING, 130), (S.APP_DOWNLOADED, 120)):
        made = made.hear(Entry(status, UnixSeconds(at)))
    made = made.enter(Entry(S.WORKER_LOST, UnixSeconds(9000)))
    made = made.enter(Entry(S.APP_DOWNLOADED, UnixSeconds(9007)))
    assert durations(made) == (None, 30, None, None, 7, None)
