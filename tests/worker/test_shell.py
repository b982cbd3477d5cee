"""One replicate's work ends one replicate: obsolete stages, stages that raise, stories unread."""

from __future__ import annotations

import asyncio
import stat

import pytest

from machines.stories import LATER, START, TASK, A, S, offer
from poolhand.domain.errors import Bug
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.machine import (
    Accepted,
    Activated,
    ClaimDue,
    Ended,
    Finished,
    RevealAsked,
    Run,
    outstanding,
)
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.store.errors import JournalFull
from poolhand.store.memory import MemoryJournal
from poolhand.transport.clock import ManualClock
from poolhand.worker.shell import REPLICATE_CODEC, ReplicateShell

OTHER = TaskId(bytes([9]) * 32)


class StageRunner:
    """StageRunner that do what each stage is told: raise, or wait, or end in an outcome."""

    def __init__(self, **script):
        self.script, self.begun, self.cancelled, self.cleaned = script, [], [], []

    async def perform(self, replicate, action):
        self.begun.append(action)
        what = self.script.get(action.name)
        if isinstance(what, list):
            what = what.pop(0) if what else None
        if isinstance(what, BaseException):
            raise what
        if what is not None:
            return Finished(LATER, action, what)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(action)
            raise

    async def clean(self, replicate):
        what = self.script.get("CLEAN")
        if isinstance(what, list) and what:
            raise what.pop(0)
        self.cleaned.append(replicate.offer.task_id)


class Bureau:
    """A shell with its task group, clock and journal; ``lives`` runs it for a while."""

    def __init__(self, stages, folder=None, journal=None):
        self.stages, self.journal, self.folder = stages, journal or MemoryJournal(), folder
        self.clock, self.told = ManualClock(LATER), []

    async def lives(self, work, *, sudden=False):
        async with asyncio.TaskGroup() as tasks:
            self.shell = ReplicateShell(
                self.journal,
                self.stages,
                lambda *told: self.told.append(told),
                self.clock,
                tasks,
                FaultBoundary(self.folder),
            )
            self.shell.recover(sudden=sudden)
            await self.settle()
            await work(self.shell)
            for task in tuple(tasks._tasks):
                task.cancel()

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)

    async def passes(self, seconds):
        self.clock.advance(seconds)
        await self.settle()

    def replicate(self, task_id=TASK):
        return self.shell.replicates[task_id]

    def path(self, task_id=TASK):
        return [entry.status for entry in self.replicate(task_id).history]

    def knows(self, *events, task_id=TASK):
        for event in events:
            self.journal.append(str(task_id), REPLICATE_CODEC.encode(event))


def accepted(task_id=TASK):
    made = offer()
    return Accepted(START, type(made)(task_id, made.deal_id, 0, made.flow, made.authorization))


LOADED = [
    Finished(START, A.DOWNLOAD_APP, S.APP_DOWNLOADED),
    Finished(START, A.DOWNLOAD_DATA, S.DATA_DOWNLOADED),
]
CONTRIBUTING = [
    *LOADED,
    Finished(START, A.COMPUTE, S.COMPUTED, digest=bytes(32)),
    Activated(START),
    Finished(START, A.CHECK, S.CAN_CONTRIBUTE),
]
CONTRIBUTED = [*CONTRIBUTING, Finished(START, A.CONTRIBUTE, S.CONTRIBUTED)]


# -------------------------------------------------------------------------------- obsolete stages


async def test_a_stage_that_is_obsolete_is_cancelled():
    bureau = Bureau(StageRunner())
    bureau.knows(accepted(), *LOADED)

    async def work(shell):
        assert bureau.stages.begun == [A.COMPUTE]
        shell.feed(TASK, Ended(LATER, S.ABORTED_ON_CONSENSUS_REACHED))
        await bureau.settle()
        assert bureau.stages.cancelled == [A.COMPUTE]
        assert bureau.stages.cleaned == [TASK]

    await bureau.lives(work)


async def test_a_stage_gives_way_to_the_one_that_replaces_it():
    bureau = Bureau(StageRunner())
    bureau.knows(accepted(), *CONTRIBUTED, RevealAsked(START))

    async def work(shell):
        shell.feed(TASK, ClaimDue(LATER))
        await bureau.settle()
        assert (bureau.stages.begun, bureau.stages.cancelled) == ([A.REVEAL, A.CLAIM], [A.REVEAL])

    await bureau.lives(work)


# ---------------------------------------------------------------------------------- stages raising


@pytest.mark.case("A1")
@pytest.mark.parametrize(
    "fault",
    [
        Bug("an invariant"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        RecursionError("too deep"),
        AssertionError(),
        ExceptionGroup("several", [KeyError("\ud800\x1b[31m")]),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_whatever_a_hand_raises_ends_its_replicate_alone(tmp_path, fault):
    stages = StageRunner(DOWNLOAD_APP=[fault])
    bureau = Bureau(stages, tmp_path / "faults")

    async def work(shell):
        shell.accept(accepted())
        await bureau.settle()
        shell.accept(accepted(OTHER))
        await bureau.settle()
        assert bureau.path()[-2:] == [S.APP_DOWNLOAD_FAILED, S.FAILED]
        assert bureau.path(OTHER)[-1] is S.APP_DOWNLOADING
        (file,) = (tmp_path / "faults").iterdir()
        detail = bureau.replicate().history[-2].detail
        assert file.name in detail
        assert detail.isprintable()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert type(fault).__name__ in file.read_text(encoding="utf-8")

    await bureau.lives(work)


async def test_an_outcome_that_cannot_be_or_be_written_down_ends_its_replicate_alone():
    bureau = Bureau(StageRunner(DOWNLOAD_APP=[S.COMPUTED, S.APP_DOWNLOADED]))

    async def work(shell):
        for each in (TASK, OTHER):
            shell.accept(accepted(each))
            await bureau.settle()
        assert bureau.path()[-2:] == [S.APP_DOWNLOAD_FAILED, S.FAILED]
        assert bureau.path(OTHER)[-1] is S.DATA_DOWNLOADING

    await bureau.lives(work)


async def test_a_journal_that_is_full_ends_the_program_whatever_hand_meets_it():
    bureau = Bureau(StageRunner(COMPUTE=JournalFull("journal")))
    bureau.knows(accepted(), *LOADED)

    async def work(_shell):
        await bureau.settle()

    with pytest.raises(ExceptionGroup) as caught:
        await bureau.lives(work)
    assert caught.group_contains(JournalFull)


async def test_a_contribution_that_raises_is_tried_again_before_it_is_given_up():
    bureau = Bureau(StageRunner(CONTRIBUTE=[Bug("1"), Bug("2"), S.CONTRIBUTED]))
    bureau.knows(accepted(), *CONTRIBUTING)

    async def work(_shell):
        await bureau.passes(2)
        assert bureau.replicate().running is A.CONTRIBUTE
        await bureau.passes(8)
        assert bureau.replicate().status is S.CONTRIBUTED
        assert bureau.stages.begun == [A.CONTRIBUTE] * 3

    await bureau.lives(work)


async def test_a_contribution_that_always_raises_is_given_up_and_stays_watched():
    bureau = Bureau(StageRunner(CONTRIBUTE=[Bug("no")] * 4))
    bureau.knows(accepted(), *CONTRIBUTING)

    async def work(_shell):
        for pause in (2, 8, 30):
            await bureau.passes(pause)
        assert bureau.path()[-2:] == [S.CONTRIBUTE_FAILED, S.FAILED]
        assert bureau.replicate().is_watched

    await bureau.lives(work)


async def test_cleaning_that_raises_is_tried_again_and_given_up_at_last():
    bureau = Bureau(StageRunner(CLEAN=[OSError(5, "I/O error")] * 4))
    bureau.knows(accepted(), Ended(START, S.FAILED))

    async def work(_shell):
        for pause in (2, 8, 30):
            assert not bureau.replicate().cleaned
            await bureau.passes(pause)
        assert bureau.replicate().cleaned
        assert bureau.stages.cleaned == []

    await bureau.lives(work)


async def test_who_cannot_be_told_of_a_replicate_hears_of_the_others():
    bureau = Bureau(StageRunner())
    bureau.knows(accepted())
    bureau.knows(accepted(OTHER), task_id=OTHER)
    heard = []

    def tell(task_id, _replicate, _reports):
        if task_id == TASK:
            raise ValueError("a detail that no frame takes")
        heard.append(task_id)

    async def work(shell):
        shell._tell = tell
        shell.unreported()
        assert heard == [OTHER]

    await bureau.lives(work)


# ------------------------------------------------------------------------------------ quarantine


async def starts(bureau, times, **how):
    async def nothing(_shell):
        return

    for _ in range(times):
        await bureau.lives(nothing, **how)


@pytest.mark.case("A1")
async def test_who_was_at_work_at_two_sudden_ends_is_not_begun_again(tmp_path):
    bureau = Bureau(StageRunner(), tmp_path)
    bureau.knows(accepted(), *LOADED)
    bureau.knows(accepted(OTHER), *CONTRIBUTED, task_id=OTHER)
    await starts(bureau, 1)
    await starts(bureau, 1, sudden=True)
    assert bureau.stages.begun == [A.COMPUTE] * 2

    async def work(_shell):
        assert bureau.stages.begun == [A.COMPUTE] * 2
        assert bureau.path()[-2:] == [S.COMPUTE_FAILED, S.FAILED]
        assert "quarantined" in bureau.replicate().trouble.words
        assert bureau.path(OTHER)[-1] is S.CONTRIBUTED
        assert "COMPUTING" in next(tmp_path.glob("*quarantine*")).read_text(encoding="utf-8")

    await bureau.lives(work, sudden=True)


async def test_several_under_suspicion_are_begun_one_after_another():
    bureau = Bureau(StageRunner())
    bureau.knows(accepted(), *LOADED)
    bureau.knows(accepted(OTHER), *LOADED, task_id=OTHER)
    await starts(bureau, 1, sudden=True)
    bureau.stages.begun.clear()

    async def work(shell):
        assert bureau.stages.begun == [A.COMPUTE]
        await bureau.passes(59)
        assert bureau.stages.begun == [A.COMPUTE]
        await bureau.passes(1)
        assert bureau.stages.begun == [A.COMPUTE] * 2
        assert bureau.replicate().trouble.falls == 0
        for each in (TASK, OTHER):
            assert Run(A.COMPUTE) in outstanding(shell.replicates[each])

    await bureau.lives(work, sudden=True)


async def test_a_minute_at_work_clears_who_was_there_at_a_sudden_end():
    bureau = Bureau(StageRunner())
    bureau.knows(accepted(), *LOADED)

    async def work(_shell):
        assert bureau.replicate().trouble.falls == 1
        await bureau.passes(60)
        assert bureau.replicate().trouble.falls == 0

    await bureau.lives(work, sudden=True)


@pytest.mark.parametrize("times", [1, 5])
async def test_orderly_ends_are_held_against_nobody(times):
    bureau = Bureau(StageRunner())
    bureau.knows(accepted(), *LOADED)
    await starts(bureau, times)
    assert bureau.stages.begun == [A.COMPUTE] * times
    assert bureau.replicate().trouble.falls == 0


# --------------------------------------------------------------------------------- unread stories

UNREAD = [
    {"t": "NeverHeardOf", "at": 1},
    {"t": "Finished", "at": 1, "action": "reveal"},
    REPLICATE_CODEC.encode(Finished(START, A.DOWNLOAD_APP, S.COMPUTED)),
    {},
]


@pytest.mark.case("A1")
@pytest.mark.parametrize("record", UNREAD)
async def test_a_story_that_does_not_read_is_quarantined_alone_and_kept(tmp_path, record):
    bureau = Bureau(StageRunner(), tmp_path)
    bureau.knows(accepted())
    bureau.journal.append(str(TASK), record)
    bureau.knows(accepted(OTHER), *LOADED, task_id=OTHER)
    before = [each for stream, each in bureau.journal.read() if stream == str(TASK)]

    async def work(shell):
        assert bureau.stages.begun == [A.COMPUTE]
        assert bureau.path()[-1] is S.FAILED
        assert str(TASK) in shell.unread
        now = [each for stream, each in bureau.journal.read() if stream == str(TASK)]
        assert now == before
        kept = next(tmp_path.glob("*records*")).read_text(encoding="utf-8")
        assert kept.count('"t"') >= 1

    await bureau.lives(work)


async def test_the_stake_of_a_story_that_does_not_read_to_its_end_is_looked_after():
    bureau = Bureau(StageRunner())
    bureau.knows(accepted(), *CONTRIBUTED)
    bureau.journal.append(str(TASK), {"t": "NeverHeardOf"})

    async def work(shell):
        assert bureau.path()[-2:] == [S.RECOVERING, S.CONTRIBUTED]
        shell.feed(TASK, RevealAsked(LATER))
        await bureau.settle()
        assert bureau.stages.begun == [A.REVEAL]

    await bureau.lives(work)


async def test_a_stream_of_no_task_at_all_is_told_and_left_alone():
    bureau = Bureau(StageRunner())
    bureau.journal.append("rubbish", {"x": 1})
    bureau.knows(accepted(OTHER), *LOADED, task_id=OTHER)

    async def work(shell):
        assert "rubbish" in shell.unread
        assert list(shell.replicates) == [OTHER]

    await bureau.lives(work)
