"""Any life of a replicate: the machine against a small model, with crashes at every point."""

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from many import examples
from poolhand.domain.errors import IllegalTransition
from poolhand.domain.ids import DealId, ResultDigest, TaskId, TxHash
from poolhand.domain.replicate.blame import judge, words
from poolhand.domain.replicate.machine import (
    MOST_SET_BACK,
    STEP_OF_ACTION,
    Accepted,
    Acknowledged,
    Action,
    Activated,
    ClaimDue,
    Clean,
    Cleaned,
    Ended,
    Faulted,
    Finished,
    Flow,
    Forget,
    Offer,
    Outlived,
    Quarantined,
    Recovered,
    Refilled,
    Report,
    RevealAsked,
    Run,
    Settled,
    TakenBack,
    Tried,
    UploadAsked,
    accept,
    outstanding,
    replay,
    step,
)
from poolhand.domain.replicate.model import SUSPICIOUS
from poolhand.domain.replicate.status import EDGES, FINAL, Status
from poolhand.domain.units import BlockNumber, UnixSeconds

NOW = UnixSeconds(1_700_000_000)
DIGEST = ResultDigest(b"\x07" * 32)
ENDS = sorted(FINAL)
TASK, OTHER = TaskId(bytes(32)), TaskId(bytes([1] * 32))


def fallen():
    """Return another replicate under which the program ended suddenly, as often as is suspicious."""
    other = accept(Accepted(NOW, Offer(OTHER, DealId(bytes(32)), 0, Flow.STANDARD, b"a" * 65)))
    for _ in range(SUSPICIOUS):
        other, _ = step(other, Recovered(NOW, sudden=True))
    return other


class ReplicateLife(RuleBasedStateMachine):
    @initialize(flow=st.sampled_from(Flow))
    def begin(self, flow):
        offer = Offer(TASK, DealId(bytes(32)), 0, flow, b"a" * 65)
        event = Accepted(NOW, offer)
        self.journal = [event]
        self.replicate = accept(event)
        self.told = [e.entry for e in outstanding(self.replicate) if isinstance(e, Report)]
        self.runs = [e.action for e in outstanding(self.replicate) if isinstance(e, Run)]
        self.flow, self.again, self.block, self.is_ended = flow, 0, 1, False

    def feed(self, event):
        after, effects = step(self.replicate, event)
        assert set(effects) <= set(outstanding(after))
        assert not set(effects) & set(outstanding(self.replicate))
        self.told += [e.entry for e in effects if isinstance(e, Report)]
        self.runs += [e.action for e in effects if isinstance(e, Run)]
        self.journal.append(event)
        self.replicate = after
        return effects

    @precondition(lambda self: self.replicate.running and self.replicate.is_over)
    @rule(data=st.data())
    def stake_is_saved_or_not(self, data):
        action, history = self.replicate.running, self.replicate.history
        outcome = data.draw(st.sampled_from(sorted(STEP_OF_ACTION[action].outcomes)))
        self.feed(Finished(NOW, action, outcome))
        assert self.replicate.running is None
        assert self.replicate.history == history

    @precondition(lambda self: self.replicate.running and not self.replicate.is_over)
    @rule(data=st.data(), tx=st.booleans())
    def stage_ends(self, data, tx):
        action = self.replicate.running
        outcome = data.draw(st.sampled_from(sorted(STEP_OF_ACTION[action].outcomes)))
        facts = {"digest": DIGEST} if outcome is Status.COMPUTED else {}
        facts |= {"link": "x"} if outcome is Status.RESULT_UPLOADED else {}
        before, block = len(self.replicate.history), BlockNumber(self.block) if tx else None
        tx_hash = TxHash(bytes(32)) if tx else None
        self.feed(Finished(NOW, action, outcome, tx=tx_hash, block=block, **facts))
        self.is_ended |= action is Action.CLAIM
        assert self.replicate.history[before].status is outcome

    @rule(action=st.sampled_from(Action), data=st.data())
    def late_echo_is_ignored(self, action, data):
        if action is not self.replicate.running:
            outcome = data.draw(st.sampled_from(sorted(STEP_OF_ACTION[action].outcomes)))
            assert self.feed(Finished(NOW, action, outcome)) == ()

    @precondition(lambda self: self.replicate.running and not self.replicate.is_over)
    @rule(outcome=st.sampled_from(Status))
    def impossible_outcome_is_refused(self, outcome):
        action = self.replicate.running
        if outcome not in STEP_OF_ACTION[action].outcomes:
            with pytest.raises(IllegalTransition):
                step(self.replicate, Finished(NOW, action, outcome))

    @precondition(lambda self: self.replicate.running)
    @rule()
    def a_hand_raises(self):
        before, action = self.replicate, self.replicate.running
        effects = self.feed(Faulted(NOW, action, "it fell over"))
        assert self.replicate.running is None
        assert not any(isinstance(effect, Run) for effect in effects)
        assert self.replicate.trouble.faults == before.trouble.faults + 1
        new = self.replicate.history[len(before.history) :]
        if before.is_over or action is Action.CLAIM:
            assert new == ()
            return
        assert new[0].detail == "it fell over"
        staked = action in (Action.REVEAL, Action.UPLOAD) and before.has_contributed
        assert self.replicate.is_over is not staked

    @rule(action=st.sampled_from(Action))
    def what_a_hand_raises_late_is_ignored(self, action):
        if action is not self.replicate.running:
            assert self.feed(Faulted(NOW, action, "late")) == ()

    @rule(others=st.booleans())
    def the_program_ends_suddenly_and_is_judged(self, others):
        before = self.replicate
        self.feed(Recovered(NOW, sudden=True))
        falls = self.replicate.trouble.falls
        assert falls == before.trouble.falls + (before.is_at_work and not before.is_held_back)
        held = {TASK: self.replicate} | ({OTHER: fallen()} if others else {})
        verdict = judge(held)
        if TASK in verdict.guilty:
            assert falls > SUSPICIOUS or (falls == SUSPICIOUS and not others)
            self.feed(Quarantined(NOW, words(self.replicate)))
            assert self.replicate.trouble.quarantined
            assert self.replicate.running is None
        else:
            assert falls < SUSPICIOUS or others

    @rule()
    def a_trial_begins(self):
        self.again += self.replicate.running is Action.CONTRIBUTE
        self.feed(Tried(NOW))
        assert not self.replicate.is_held_back

    @rule()
    def the_beginning_is_outlived(self):
        self.again += self.replicate.is_held_back and self.replicate.running is Action.CONTRIBUTE
        self.feed(Outlived(NOW))
        assert self.replicate.trouble.falls == 0

    @invariant()
    def in_quarantine_nothing_runs_but_for_the_stake(self):
        if self.replicate.trouble.quarantined:
            assert self.replicate.running in (None, Action.REVEAL, Action.CLAIM)
            assert self.replicate.is_over or self.replicate.has_contributed

    @invariant()
    def what_saves_stake_is_never_held_back(self):
        running = self.replicate.running
        if running in (Action.REVEAL, Action.CLAIM):
            assert Run(running) in outstanding(self.replicate)

    @rule(event=st.sampled_from([Activated(NOW), RevealAsked(NOW), Refilled(NOW)]))
    def news(self, event):
        self.feed(event)

    @rule(action=st.sampled_from([Action.CONTRIBUTE, Action.REVEAL]), blocks=st.integers(0, 3))
    def the_chain_takes_something_back(self, action, blocks):
        self.block += blocks
        known, running = self.replicate.mined_at, self.replicate.running
        effects = self.feed(TakenBack(NOW, action, BlockNumber(self.block)))
        if effects:
            assert Run(action) in effects
            assert running in (None, Action.REVEAL)
            assert known < self.block == self.replicate.mined_at
            assert self.replicate.history[-1].status is STEP_OF_ACTION[action].ongoing
            self.again += action is Action.CONTRIBUTE
        assert self.feed(TakenBack(NOW, action, BlockNumber(self.block))) == ()

    @rule()
    def a_claim_is_due(self):
        before = self.replicate
        self.feed(ClaimDue(NOW))
        assert self.replicate.status is before.status
        waits = before.is_over and (before.running or not before.cleaned)
        assert waits or self.replicate.running is Action.CLAIM

    @rule(ready=st.booleans())
    def upload_is_asked(self, ready):
        self.feed(UploadAsked(NOW, ready))

    @rule(end=st.sampled_from(ENDS))
    def task_ends(self, end):
        if self.replicate.is_over:
            assert self.feed(Ended(NOW, end)) == ()
        elif end in EDGES[self.replicate.status]:
            self.feed(Ended(NOW, end))
            assert Clean() in outstanding(self.replicate)
            self.is_ended = True
        else:
            with pytest.raises(IllegalTransition):
                step(self.replicate, Ended(NOW, end))

    @rule(count=st.integers(-1, 60))
    def scheduler_acknowledges(self, count):
        has = min(max(count, 0), len(self.replicate.history))
        if has < self.replicate.acknowledged and self.replicate.set_back == MOST_SET_BACK:
            has = self.replicate.acknowledged
        known = max(has, self.replicate.acknowledged)
        self.told, later = self.told[:has], self.told[known:]  # what it lacks is told again
        self.feed(Acknowledged(NOW, count))
        self.told += later
        assert self.replicate.acknowledged == has

    @rule()
    def files_are_removed(self):
        self.feed(Cleaned(NOW))

    @rule()
    def the_end_is_deep(self):
        self.feed(Settled(NOW))
        assert self.replicate.settled == self.replicate.is_over

    @rule()
    def crash_and_recover(self):
        assert replay(self.journal) == self.replicate
        before = self.replicate
        self.feed(Recovered(NOW))
        assert self.replicate.trouble.falls == 0
        if before.is_over:
            assert self.replicate.history == before.history
            return
        shown = self.statuses()[len(before.history) :]
        assert shown[:2] == [Status.RECOVERING, before.status]
        resumed = before.parked or before.running
        assert self.replicate.running is resumed
        if before.parked is None:
            assert len(shown) == 2
        if resumed is not None:
            self.again += before.is_held_back and resumed is Action.CONTRIBUTE
            assert Run(resumed) in outstanding(self.replicate)

    @invariant()
    def history_moves_along_the_edges(self):
        path = [Status.CREATED, *(entry.status for entry in self.replicate.history)]
        for start, finish in pairwise(path):
            assert finish in EDGES[start]

    @invariant()
    def everything_is_told_once_and_in_order(self):
        assert tuple(self.told) == self.replicate.history

    @invariant()
    def promises(self):
        r = self.replicate
        dry = self.statuses().count(Status.OUT_OF_GAS)
        assert self.runs.count(Action.CONTRIBUTE) <= 1 + dry + self.again
        assert not (r.is_over and r.running) or self.saves_its_stake()
        if Status.CONTRIBUTING in self.statuses():
            assert Status.CAN_CONTRIBUTE in self.statuses()
            assert r.active
        if self.flow is Flow.CONTRIBUTE_AND_FINALIZE:
            assert Status.REVEALING not in self.statuses()
        if r.running is Action.REVEAL and not r.is_over:
            assert r.reveal_asked
        done = r.is_over and r.cleaned and r.acknowledged == len(r.history)
        done = done and not r.running and (r.settled or not r.has_contributed)
        assert (outstanding(r) == (Forget(),)) == done

    def saves_its_stake(self):
        r = self.replicate
        return r.cleaned and r.running in (Action.REVEAL, Action.CLAIM)

    @invariant()
    def what_has_stake_on_chain_is_never_given_up_or_cleaned_before_the_chain_ends_it(self):
        told = [s for s in self.statuses() if s in (Status.CONTRIBUTING, Status.CONTRIBUTED)]
        if told[-1:] == [Status.CONTRIBUTED] and not self.is_ended:
            assert not self.replicate.is_over
            assert Clean() not in outstanding(self.replicate)

    def statuses(self):
        return [entry.status for entry in self.replicate.history]


ReplicateLife.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)
TestReplicateLife = ReplicateLife.TestCase


def test_the_seeds_names_are_all_there():
    assert len(Status) == 36
    assert {s for s in Status if not EDGES[s]} == FINAL


def test_a_standard_replicate_goes_all_the_way():
    offer = Offer(TaskId(bytes(32)), DealId(bytes(32)), 0, Flow.STANDARD, b"a" * 65)
    story = [
        Accepted(NOW, offer),
        Finished(NOW, Action.DOWNLOAD_APP, Status.APP_DOWNLOADED),
        Finished(NOW, Action.DOWNLOAD_DATA, Status.DATA_DOWNLOADED),
        Finished(NOW, Action.COMPUTE, Status.COMPUTED, digest=DIGEST),
        Activated(NOW),
        Finished(NOW, Action.CHECK, Status.CAN_CONTRIBUTE),
        Finished(NOW, Action.CONTRIBUTE, Status.CONTRIBUTED),
        RevealAsked(NOW),
        Finished(NOW, Action.REVEAL, Status.REVEALED),
        UploadAsked(NOW, ready=True),
        Finished(NOW, Action.UPLOAD, Status.RESULT_UPLOADED, link="x"),
        Ended(NOW, Status.COMPLETED),
    ]
    assert " ".join(entry.status for entry in replay(story).history) == (
        "RUNNING APP_DOWNLOADING APP_DOWNLOADED DATA_DOWNLOADING DATA_DOWNLOADED COMPUTING COMPUTED "
        "CAN_CONTRIBUTE CONTRIBUTING CONTRIBUTED REVEALING REVEALED RESULT_UPLOAD_REQUESTED "
        "RESULT_UPLOADING RESULT_UPLOADED COMPLETED"
    )


def test_a_quick_replicate_uploads_before_it_contributes():
    offer = Offer(TaskId(bytes(32)), DealId(bytes(32)), 0, Flow.CONTRIBUTE_AND_FINALIZE, b"a" * 65)
    story = [
        Accepted(NOW, offer),
        Activated(NOW),
        Finished(NOW, Action.DOWNLOAD_APP, Status.APP_DOWNLOADED),
        Finished(NOW, Action.DOWNLOAD_DATA, Status.DATA_DOWNLOADED),
        Finished(NOW, Action.COMPUTE, Status.COMPUTED, digest=DIGEST),
        Finished(NOW, Action.UPLOAD, Status.RESULT_UPLOADED, link="x"),
        Finished(NOW, Action.CHECK, Status.CAN_CONTRIBUTE),
        Finished(NOW, Action.CONTRIBUTE, Status.CONTRIBUTED),
        Ended(NOW, Status.COMPLETED),
    ]
    assert [entry.status for entry in replay(story).history][7:] == [
        Status.RESULT_UPLOADING,
        Status.RESULT_UPLOADED,
        Status.CAN_CONTRIBUTE,
        Status.CONTRIBUTING,
        Status.CONTRIBUTED,
        Status.COMPLETED,
    ]


def test_an_empty_wallet_waits_and_goes_on():
    offer = Offer(TaskId(bytes(32)), DealId(bytes(32)), 0, Flow.STANDARD, b"a" * 65)
    story = [
        Accepted(NOW, offer),
        Activated(NOW),
        Finished(NOW, Action.DOWNLOAD_APP, Status.APP_DOWNLOADED),
        Finished(NOW, Action.DOWNLOAD_DATA, Status.DATA_DOWNLOADED),
        Finished(NOW, Action.COMPUTE, Status.COMPUTED, digest=DIGEST),
        Finished(NOW, Action.CHECK, Status.CAN_CONTRIBUTE),
        Finished(NOW, Action.CONTRIBUTE, Status.OUT_OF_GAS),
    ]
    waiting = replay(story)
    assert waiting.status is Status.OUT_OF_GAS
    assert Run(Action.CONTRIBUTE) not in outstanding(waiting)
    resumed, effects = step(waiting, Refilled(NOW))
    assert resumed.status is Status.CONTRIBUTING
    assert Run(Action.CONTRIBUTE) in effects
