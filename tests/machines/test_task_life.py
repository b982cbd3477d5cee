"""Any life of a task in the scheduler: workers and chain do as they like, the machine keeps its laws.

One file, for all that can happen to a task is one class: each law is tried after each of them.
"""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from many import examples
from placement.pool_model import deal_of
from poolhand.domain.errors import IllegalTransition
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import Address, DealId, ResultDigest, ResultHash, TaskId
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    TaskView,
)
from poolhand.domain.placement.need import need_of
from poolhand.domain.placement.reliance import next_doubt
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.replicate.machine import Entry, Flow
from poolhand.domain.replicate.status import EDGES, FINAL, Status
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task import machine
from poolhand.domain.task.deadlines import next_wake
from poolhand.domain.task.machine import (
    Assigned,
    CallRefused,
    DealBack,
    DealGone,
    Found,
    Lost,
    Misbehaved,
    Received,
    Reported,
    SendClaim,
    SendFinalize,
    SendInitialize,
    SendReopen,
    TellEnd,
    TellReveal,
    TellUpload,
    Ticked,
    Uploaded,
    Viewed,
    is_settled,
    outstanding,
    receive,
    replay,
    step,
)
from poolhand.domain.task.model import Stored, TaskFacts
from poolhand.domain.task.rules import FORGOTTEN, is_working, replicates_needed
from poolhand.domain.task.status import FINAL_TASK, TAKEN_BACK, TASK_EDGES, TaskStatus
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds

START = 1_700_000_000
TASK, DEAL = TaskId(b"\x01" * 32), DealId(b"\x02" * 32)
WORKERS = [Address(bytes([n]) * 20) for n in range(1, 6)]
RIGHT, WRONG = ResultDigest(b"\x0a" * 32), ResultDigest(b"\x0b" * 32)
T = 60
RULES, BOUGHT = PlacementRules(), deal_of()
S = Status
ABORTS = (S.ABORTED_ON_CONSENSUS_REACHED, S.ABORTED_ON_CONTRIBUTION_TIMEOUT)
USUAL = [S.CREATED, S.RUNNING, S.APP_DOWNLOADING, S.APP_DOWNLOADED, S.DATA_DOWNLOADING,
         S.DATA_DOWNLOADED, S.COMPUTING, S.COMPUTED, S.CAN_CONTRIBUTE, S.CONTRIBUTING,
         S.CONTRIBUTED, S.REVEALING, S.REVEALED]  # fmt: skip


def facts(trust, flow, bought=START):
    return TaskFacts(
        TASK,
        DEAL,
        0,
        Trust(trust),
        flow,
        NO_TAG,
        UnixSeconds(bought + 7 * T),
        UnixSeconds(bought + 10 * T),
    )


class TaskLife(RuleBasedStateMachine):
    """The model is a little chain: contributions, consensus by the contract's formula, reveals."""

    @initialize(trust=st.sampled_from([1, 2, 5, 10]), quick=st.booleans())
    def begin(self, trust, quick):
        flow = Flow.CONTRIBUTE_AND_FINALIZE if quick and trust == 1 else Flow.STANDARD
        event = Received(UnixSeconds(START), facts(trust, flow))
        self.journal, self.task = [event], receive(event)
        self.now, self.block, self.bought, self.is_dropped = START, 1, START, False
        self.chain = ChainTaskStatus.UNSET
        self.contributions, self.consensus = {}, ResultHash(bytes(32))
        self.reveal_deadline = 0
        self.needed_when_assigned = []

    def feed(self, event):
        before = self.task
        after, effects = step(before, event)
        assert set(effects) <= set(outstanding(after))
        assert not set(effects) & set(outstanding(before))
        self.journal.append(event)
        self.task = after
        return effects

    def view(self):
        winners = [c for c in self.contributions.values() if c.result_hash == self.consensus]
        proved = [c for c in winners if c.status is ContributionStatus.PROVED]
        return TaskView(
            TASK,
            BlockNumber(self.block),
            UnixSeconds(self.now),
            self.chain,
            Seconds(T),
            UnixSeconds(self.bought + 7 * T),
            UnixSeconds(self.reveal_deadline),
            UnixSeconds(self.bought + 10 * T),
            self.consensus,
            len(proved),
            len(winners) if self.chain >= ChainTaskStatus.REVEALING else 0,
            tuple(self.contributions),
            RIGHT if proved else ResultDigest(bytes(32)),
            b"",
            dict(self.contributions),
        )

    @rule()
    def look_at_the_chain(self):
        self.feed(Viewed(UnixSeconds(self.now), self.view()))

    @rule(seconds=st.sampled_from([1, 30, 130]))
    def time_passes(self, seconds):
        self.now, self.block = self.now + seconds, self.block + 1
        self.feed(Ticked(UnixSeconds(self.now)))

    @rule(worker=st.sampled_from(WORKERS))
    def a_worker_is_assigned_when_it_matters(self, worker):
        if replicates_needed(self.task, Weight(2)) and self.task.attempt(worker) is None:
            self.feed(Assigned(UnixSeconds(self.now), worker, Weight(2)))
            fresh = [a for a in self.task.attempts if a.log[0].at > self.now - T]
            working = [a for a in fresh if is_working(self.task, a)]
            assert len(working) <= {1: 1, 2: 1, 5: 3, 10: 4}[self.task.facts.trust] + len(
                self.contributions
            )

    @precondition(lambda self: self.task.attempts)
    @rule(data=st.data())
    def a_worker_reports(self, data):
        attempt = data.draw(st.sampled_from(self.task.attempts))
        choices = sorted(EDGES[attempt.status] - {Status.WORKER_LOST}) or sorted(Status)
        status = data.draw(st.sampled_from(choices))
        first = data.draw(st.integers(max(0, attempt.reports - 1), attempt.reports))
        entry = Entry(status, UnixSeconds(self.now))
        told = [*(e for e in [entry] * (attempt.reports - first)), entry]
        before = len(attempt.log)
        self.feed(Reported(UnixSeconds(self.now), attempt.worker, first, tuple(told)))
        after = self.task.attempt(attempt.worker)
        assert after.reports == attempt.reports + 1
        assert len(after.log) >= before

    @precondition(lambda self: self.task.attempts)
    @rule(data=st.data(), steps=st.integers(1, 12))
    def a_worker_goes_the_usual_way(self, data, steps):
        """Without this rule hardly a life would come to its reveals."""
        attempt = data.draw(st.sampled_from(self.task.attempts))
        if attempt.status in USUAL[:-1]:
            start = USUAL.index(attempt.status) + 1
            entries = [Entry(s, UnixSeconds(self.now)) for s in USUAL[start : start + steps]]
            event = Reported(UnixSeconds(self.now), attempt.worker, attempt.reports, tuple(entries))
            self.feed(event)
            assert self.task.attempt(attempt.worker).status is entries[-1].status
            assert self.feed(event) == ()

    @precondition(lambda self: self.task.attempts)
    @rule(data=st.data(), status=st.sampled_from(Status))
    def an_impossible_report_changes_nothing(self, data, status):
        attempt = data.draw(st.sampled_from(self.task.attempts))
        entry = Entry(status, UnixSeconds(self.now))
        if not attempt.is_over and status not in EDGES[attempt.status]:
            with pytest.raises(IllegalTransition):
                step(
                    self.task,
                    Reported(UnixSeconds(self.now), attempt.worker, attempt.reports, (entry,)),
                )
        gap = attempt.reports + 1
        with pytest.raises(IllegalTransition):
            step(self.task, Reported(UnixSeconds(self.now), attempt.worker, gap, (entry,)))

    @precondition(lambda self: self.task.attempts)
    @rule(data=st.data(), kind=st.sampled_from([Lost, Found]))
    def a_lease_ends_or_begins(self, data, kind):
        attempt = data.draw(st.sampled_from(self.task.attempts))
        self.feed(kind(UnixSeconds(self.now), attempt.worker))

    @precondition(lambda self: self.task.attempts)
    @rule(data=st.data())
    def a_worker_breaks_the_protocol(self, data):
        attempt = data.draw(st.sampled_from(self.task.attempts))
        self.feed(Misbehaved(UnixSeconds(self.now), attempt.worker, "lied"))
        assert self.task.attempt(attempt.worker).is_over

    # ------------------------------------------------------------------------------ the chain acts

    @rule()
    def initialization_is_mined(self):
        self.initialize_or_not()

    @rule(worker=st.sampled_from(WORKERS), right=st.booleans())
    def a_contribution_is_mined(self, worker, right):
        late = self.now >= self.bought + 7 * T
        if self.chain is not ChainTaskStatus.ACTIVE or worker in self.contributions or late:
            return
        digest = RIGHT if right else WRONG
        self.contributions[worker] = ContributionView(
            ContributionStatus.CONTRIBUTED,
            result_hash(TASK, digest),
            result_seal(worker, TASK, digest),
            1,
        )
        self.block += 1
        groups = {}
        for c in self.contributions.values():
            if c.status is ContributionStatus.CONTRIBUTED:
                groups[c.result_hash] = max(groups.get(c.result_hash, 0), 1) * 2
        mine, total = groups[result_hash(TASK, digest)], 1 + sum(groups.values())
        trust = self.task.facts.trust
        if mine * trust > total * (trust - 1):
            self.chain = ChainTaskStatus.REVEALING
            self.consensus = result_hash(TASK, digest)
            self.reveal_deadline = self.now + 2 * T

    @rule(worker=st.sampled_from(WORKERS))
    def a_reveal_is_mined(self, worker):
        asked = TellReveal(worker, self.consensus) in outstanding(self.task)
        known = self.contributions.get(worker)
        agrees = known is not None and known.result_hash == self.consensus
        if (
            asked
            and agrees
            and self.chain is ChainTaskStatus.REVEALING
            and self.now < self.reveal_deadline
        ):
            self.contributions[worker] = replace(known, status=ContributionStatus.PROVED)
            self.block += 1

    @rule(worker=st.sampled_from(WORKERS))
    def the_result_is_stored(self, worker):
        if any(isinstance(e, TellUpload) and e.worker == worker for e in outstanding(self.task)):
            self.feed(Uploaded(UnixSeconds(self.now), Stored(worker, "link", RIGHT, b"")))

    @rule()
    def the_wanted_transaction_is_mined(self):
        wanted = outstanding(self.task)
        self.before_the_end = self.chain
        if any(isinstance(e, SendFinalize) for e in wanted):
            self.chain, self.block = ChainTaskStatus.COMPLETED, self.block + 1
        elif any(isinstance(e, SendReopen) for e in wanted):
            for worker, c in self.contributions.items():
                if c.result_hash == self.consensus:
                    self.contributions[worker] = replace(c, status=ContributionStatus.REJECTED)
            self.chain, self.consensus = ChainTaskStatus.ACTIVE, ResultHash(bytes(32))
            self.reveal_deadline, self.block = 0, self.block + 1
        elif any(isinstance(e, SendClaim) for e in wanted):
            self.chain, self.block = ChainTaskStatus.FAILED, self.block + 1

    @precondition(lambda self: self.chain in (ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED))
    @rule()
    def the_end_is_taken_back(self):
        """A re-organisation; who has seen the end must see that it is gone, and send it again."""
        self.look_at_the_chain()
        assert self.task.status in FINAL_TASK
        self.chain, self.block = self.before_the_end, self.block + 1
        self.look_at_the_chain()
        assert self.task.status not in FINAL_TASK
        assert not is_settled(self.task)
        assert not replicates_needed(self.task, Weight(2)), "it is not given out again at once"

    @precondition(lambda self: self.chain is ChainTaskStatus.UNSET)
    @rule()
    def the_deal_is_dropped(self):
        """A re-organisation took the purchase; the chain knows nothing of the task."""
        self.is_dropped = True
        self.look_at_the_chain()
        self.feed(DealGone(UnixSeconds(self.now)))
        assert not replicates_needed(self.task, Weight(2))

    @precondition(lambda self: self.is_dropped)
    @rule(later=st.integers(0, 30))
    def the_deal_is_bought_again(self, later):
        """In a later block, by which its deadlines move."""
        self.is_dropped, self.bought = False, self.bought + later
        trust, flow = self.task.facts.trust, self.task.facts.flow
        self.feed(DealBack(UnixSeconds(self.now), facts(trust, flow, self.bought)))
        assert self.task.facts.final_deadline == self.bought + 10 * T

    @rule(kind=st.sampled_from(["initialize", "finalize", "reopen", "claim"]))
    def a_transaction_is_refused(self, kind):
        self.feed(CallRefused(UnixSeconds(self.now), kind, "no"))
        sends = {
            "initialize": SendInitialize,
            "finalize": SendFinalize,
            "reopen": SendReopen,
            "claim": SendClaim,
        }
        assert not any(isinstance(e, sends[kind]) for e in outstanding(self.task))

    # ----------------------------------------------------------------------------------- promises

    @rule()
    def crash_and_recover(self):
        assert replay(self.journal) == self.task

    @invariant()
    def nothing_changes_before_the_next_moment(self):
        """Time that passes up to the next wake changes nothing, and nobody's need but at doubts."""
        wake, doubt = next_wake(self.task), next_doubt(self.task, RULES)
        assert wake is None or wake > self.task.now
        quiet = UnixSeconds((wake or self.task.now + 10**7) - 1)
        after, effects = step(self.task, Ticked(quiet))
        assert not effects
        assert replace(after, now=self.task.now) == self.task
        later = replace(self.task, now=min(quiet, UnixSeconds((doubt or quiet + 1) - 1)))
        before, then = (need_of(each, BOUGHT, RULES, sure=True) for each in (self.task, later))
        assert before.queue == then.queue
        assert (before.obstacle, before.holds) == (then.obstacle, then.holds)

    @invariant()
    def attempts_move_along_the_edges(self):
        for attempt in self.task.attempts:
            path = [entry.status for entry in attempt.log]
            for start, finish in pairwise(path):
                assert finish in EDGES[start]

    @invariant()
    def the_task_moves_along_its_edges(self):
        path = [status for status, _ in self.task.history]
        for start, finish in pairwise(path):
            assert finish in TASK_EDGES[start] | TAKEN_BACK.get(start, frozenset())

    @invariant()
    def nothing_follows_the_end(self):
        if self.task.status in FINAL_TASK:
            assert not any(
                isinstance(e, SendInitialize | SendFinalize | SendReopen | SendClaim)
                for e in outstanding(self.task)
            )
            for attempt in self.task.attempts:
                if attempt.live and not attempt.is_over:
                    assert any(
                        isinstance(e, TellEnd) and e.worker == attempt.worker
                        for e in outstanding(self.task)
                    )

    @invariant()
    def nobody_is_put_to_a_task_whose_deal_is_gone(self):
        if self.is_dropped:
            assert not any(isinstance(e, SendInitialize) for e in outstanding(self.task))
            assert not replicates_needed(self.task, Weight(2))
            if self.now >= self.task.gone_since + FORGOTTEN and self.task.now == self.now:
                assert self.task.status is TaskStatus.FAILED

    @invariant()
    def nothing_is_paid_before_everybody_had_time_to_reveal(self):
        for effect in outstanding(self.task):
            if isinstance(effect, SendFinalize):
                view = self.task.view
                assert (
                    view.reveal_counter == view.winner_counter
                    or self.task.now >= view.reveal_deadline
                )

    @invariant()
    def only_who_staked_on_the_consensus_is_asked_to_reveal(self):
        view = self.task.view
        for effect in outstanding(self.task):
            if isinstance(effect, TellReveal):
                own = view.contributions[effect.worker]
                assert own.status is ContributionStatus.CONTRIBUTED
                assert own.result_hash == view.consensus == effect.consensus

    @invariant()
    def one_winner_at_a_time_is_asked_for_the_result(self):
        asked = [e.worker for e in outstanding(self.task) if isinstance(e, TellUpload)]
        assert len(asked) <= 1
        for worker in asked:
            assert self.task.contribution(worker) is ContributionStatus.PROVED
            assert self.task.stored is None

    @invariant()
    def absent_and_ended_workers_are_told_nothing(self):
        for effect in outstanding(self.task):
            worker = getattr(effect, "worker", None)
            if worker is not None:
                attempt = self.task.attempt(worker)
                assert attempt.live
                assert not attempt.is_over

    @invariant()
    def who_has_staked_is_not_sent_away_before_the_chain_ends_it(self):
        view = self.task.view
        for effect in outstanding(self.task):
            if isinstance(effect, TellEnd) and effect.status in ABORTS and view:
                own = self.task.contribution(effect.worker)
                done = view.status is ChainTaskStatus.COMPLETED
                assert done or own is not ContributionStatus.CONTRIBUTED

    def teardown(self):
        """Whatever has happened: when time passes and what is wanted is done, the task settles."""
        if not hasattr(self, "task"):
            return
        for _ in range(60):
            if is_settled(self.task):
                return
            self.time_passes(130)
            self.initialize_or_not()
            self.the_wanted_transaction_is_mined()
            self.look_at_the_chain()
            for effect in outstanding(self.task):
                if isinstance(effect, TellEnd):
                    self.obey(effect)
        raise AssertionError(f"stuck: {self.task}")

    def initialize_or_not(self):
        wanted = any(isinstance(e, SendInitialize) for e in outstanding(self.task))
        if wanted and self.chain is ChainTaskStatus.UNSET:
            self.chain, self.block = ChainTaskStatus.ACTIVE, self.block + 1

    def obey(self, told):
        now = UnixSeconds(self.now)
        reports = self.task.attempt(told.worker).reports
        self.feed(Reported(now, told.worker, reports, (Entry(told.status, now),)))


TaskLife.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)
TestTaskLife = TaskLife.TestCase


def test_every_status_has_edges():
    assert set(TASK_EDGES) == set(TaskStatus)
    assert {s for s in TaskStatus if not TASK_EDGES[s]} == FINAL_TASK
    assert machine.PAUSE_AFTER_REFUSAL > 0
    assert FINAL
