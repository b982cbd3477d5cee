"""Every point at which a worker can be stopped: it is shown, goes on, and has thrown nothing away.

The points are found, not listed: a search through the machine visits every combination of status,
stage under way, stage parked and news of the chain that events can lead to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import pytest
from stories import RIGHT, START, A, S, offer

from poolhand.domain.errors import IllegalTransition
from poolhand.domain.replicate.machine import (
    STEP_OF_ACTION,
    Accepted,
    Action,
    Activated,
    ClaimDue,
    Clean,
    Ended,
    Finished,
    Flow,
    Recovered,
    Refilled,
    RevealAsked,
    Run,
    TakenBack,
    UploadAsked,
    accept,
    outstanding,
    step,
)
from poolhand.domain.replicate.status import FAILURES, FINAL, Status
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.store.memory import MemoryJournal
from poolhand.transport.clock import ManualClock
from poolhand.worker.shell import REPLICATE_CODEC, ReplicateShell

LATER = UnixSeconds(START + 60)


def everything_that_may_happen(replicate):
    """Yield events, the ends that only the chain or the pool can tell left out."""
    if replicate.running is not None:
        for outcome in sorted(STEP_OF_ACTION[replicate.running].outcomes):
            yield Finished(START, replicate.running, outcome, digest=RIGHT, link="x")
    yield from (Activated(START), RevealAsked(START), Refilled(START), ClaimDue(START))
    yield from (UploadAsked(START, ready=True), UploadAsked(START, ready=False))
    block = BlockNumber(replicate.mined_at + 1)
    yield from (TakenBack(START, action, block) for action in (A.CONTRIBUTE, A.REVEAL))


@dataclass(frozen=True)
class Point:
    """A replicate and the shortest story that led to it."""

    replicate: object
    story: tuple = field(repr=False)

    @property
    def key(self):
        r = self.replicate
        news = r.active, r.reveal_asked, r.has_contributed
        return r.offer.flow, r.status, r.running, r.parked, *news


def all_points():
    found, frontier = {}, deque()
    for flow in Flow:
        event = Accepted(START, offer(flow))
        frontier.append(Point(accept(event), (event,)))
    while frontier:
        point = frontier.popleft()
        if point.key in found:
            continue
        found[point.key] = point
        for event in everything_that_may_happen(point.replicate):
            after, _ = step(point.replicate, event)
            frontier.append(Point(after, (*point.story, event)))
    return tuple(found.values())


POINTS = all_points()
LIVE = [point for point in POINTS if not point.replicate.is_over]


def test_every_status_that_a_worker_can_rest_in_is_visited():
    """CREATED and WORKER_LOST are the scheduler's; a failure is over in the same event."""
    passing = FAILURES | {S.CREATED, S.WORKER_LOST, S.RECOVERING, S.RESULT_UPLOAD_REQUESTED}
    passing |= {S.RUNNING, S.APP_DOWNLOADED, S.DATA_DOWNLOADED, S.CAN_CONTRIBUTE}
    assert {point.replicate.status for point in LIVE} == set(Status) - FINAL - passing
    assert {point.replicate.running for point in LIVE} == {None, *Action}
    assert {point.replicate.parked for point in LIVE} == {None, A.CONTRIBUTE, A.REVEAL}


def test_a_restart_shows_and_resumes_whatever_was_interrupted():
    for point in LIVE:
        before = point.replicate
        back, effects = step(before, Recovered(LATER))
        shown = [entry.status for entry in back.history[len(before.history) :]]
        assert shown[:2] == [S.RECOVERING, before.status], point
        stage = before.parked or before.running
        assert back.running is stage, point
        assert back.parked is None
        if before.parked:
            assert shown[2:] == [STEP_OF_ACTION[before.parked].ongoing]
            assert Run(stage) in effects
        else:
            assert shown[2:] == []
        if stage:
            assert Run(stage) in outstanding(back)
        again, _ = step(back, Recovered(LATER))
        assert again.running is stage, "a second restart loses nothing either"


def test_only_the_chain_ends_what_has_stake_in_it():
    """Neither a failing stage nor a restart gives up what is contributed and not paid."""
    for point in POINTS:
        told = [entry.status for entry in point.replicate.history]
        mined = [s for s in told if s in (S.CONTRIBUTING, S.CONTRIBUTED)][-1:] == [S.CONTRIBUTED]
        claimed = isinstance(point.story[-1], Finished) and point.story[-1].action is A.CLAIM
        if mined and not claimed:
            assert not point.replicate.is_over, point
            assert Clean() not in outstanding(point.replicate)


@pytest.mark.parametrize("end", sorted(FINAL))
def test_the_chain_can_end_it_everywhere(end):
    for point in LIVE:
        over, effects = step(point.replicate, Ended(LATER, end))
        assert (over.status, over.running, over.parked) == (end, None, None)
        assert Clean() in effects


def test_no_event_is_refused_anywhere_but_an_outcome_that_its_stage_does_not_have():
    for point in LIVE:
        for action in Action:
            for outcome in Status:
                event = Finished(LATER, action, outcome)
                fits = outcome in STEP_OF_ACTION[action].outcomes
                if action is point.replicate.running and not fits:
                    with pytest.raises(IllegalTransition):
                        step(point.replicate, event)
                else:
                    step(point.replicate, event)


# --------------------------------------------------------------------------- a stop of the program


class Hands:
    """Stages that do not end; what is cleaned is noted."""

    def __init__(self) -> None:
        self.asked, self.cleaned = [], 0

    async def perform(self, _replicate, action):
        self.asked.append(action)
        await asyncio.Event().wait()

    async def clean(self, _replicate):
        self.cleaned += 1


async def stopped_at(point):
    """Start a worker on the journal of a point, and stop it as SIGTERM does."""
    journal, hands = MemoryJournal(), Hands()
    task_id = point.replicate.offer.task_id
    for event in point.story:
        journal.append(str(task_id), REPLICATE_CODEC.encode(event))

    async def program():
        async with asyncio.TaskGroup() as tasks:
            shell = ReplicateShell(journal, hands, lambda *_: None, ManualClock(), tasks)
            shell.recover()
            for _ in range(3):
                await asyncio.sleep(0)
            asyncio.current_task().cancel()
            await asyncio.sleep(0)

    (outcome,) = await asyncio.gather(asyncio.create_task(program()), return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    return journal, hands


async def test_a_stop_at_any_point_deletes_no_work_and_the_next_start_takes_it_up():
    for point in LIVE:
        journal, hands = await stopped_at(point)
        stage = point.replicate.parked or point.replicate.running
        assert hands.cleaned == 0, point
        assert hands.asked[-1:] == ([stage] if stage else []), point
        written = [REPLICATE_CODEC.decode(record) for _, record in journal.read()]
        assert [type(event) for event in written[len(point.story) :]] == [Recovered]
