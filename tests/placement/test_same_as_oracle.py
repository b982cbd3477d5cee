"""The planner of what has changed comes to what a plan of everything comes to."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from placement.pool_model import PERIOD, TO_COMPUTED, Model, address, deal_of, worker_of
from poolhand.domain.errors import IllegalTransition
from poolhand.domain.network_hosts import read_hosts
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.params import DealParams
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.replicate.status import Status
from poolhand.domain.reputation import NEWCOMER, VOUCHED
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.task.machine import Found, Lost
from poolhand.domain.units import NanoRlc, UnixSeconds

RULES = PlacementRules(least_stake=NanoRlc(5))
GPU = Tag.of(["gpu"])
WORKERS = 6
HOSTS = read_hosts(["a.example", "b.example"], 2)
SOURCES = ("", "203.0.113.1", "203.0.113.2")

Step = st.tuples(
    st.sampled_from(
        ["buy", "buy", "join", "join", "leave", "time", "compute", "fail", "contribute", "complete",
         "lose", "find", "doubt", "gas", "praise", "blame", "pause", "stake", "agree"]
    ),
    st.integers(0, 2**30),
)  # fmt: skip
Story = st.lists(Step, max_size=25)


class Player:
    """Plays steps on a model; a number decides what a step does to whom."""

    def __init__(self, model: Model, *, requesters: int, deals: bool, sources: bool) -> None:
        self.model, self.requesters = model, requesters
        self.many_deals, self.sources, self.bought = deals, sources, 0

    def play(self, kind: str, number: int) -> None:
        getattr(self, kind)(number)

    def buy(self, number: int) -> None:
        if self.bought and not self.many_deals:
            return
        self.bought += 1
        trust = (1, 2, 5, 10)[number % 4]
        tag = GPU if number // 4 % 4 == 0 else NO_TAG
        stake, size = (10, 30, 50, 80)[number // 32 % 4], 1 + number // 128 % 4
        self.model.buy(
            deal_of(
                self.bought,
                trust=trust,
                tag=tag,
                stake=stake,
                size=size if self.many_deals else 8,
                requester=number // 512 % self.requesters,
                at=UnixSeconds(self.model.now - number // 2048 % 3),
                price=(0, 100, 300)[number // 8192 % 3],
                period=(PERIOD, 3 * PERIOD)[number // 32768 % 2],
                params=DealParams(hosts=HOSTS[: number // 65536 % 3]).dump(),
            )
        )

    def join(self, number: int) -> None:
        self.model.join(
            worker_of(
                1 + number % WORKERS,
                slots=number // 8 % 4,
                stake=number // 32 % 4 * 30,
                gpus=(2, 0, 1, 0)[number // 128 % 4],
                score=number // 2048 % 2 * 30,
                reputation=(NEWCOMER, VOUCHED)[number // 512 % 2],
                source=SOURCES[number // 1024 % 3] if self.sources else "",
            )
        )

    def leave(self, number: int) -> None:
        self.model.leave(address(1 + number % WORKERS))

    def time(self, number: int) -> None:
        self.model.pass_time((1, 3, 6, 11, 40, 80, 301)[number % 7])

    def gas(self, number: int) -> None:
        self.model.planner.can_initialize = number % 3 > 0

    def praise(self, number: int) -> None:
        if worker := self._worker(number):
            self.model.judge(worker, fault=False)

    def blame(self, number: int) -> None:
        if worker := self._worker(number):
            self.model.judge(worker, fault=True)

    def pause(self, number: int) -> None:
        if worker := self._worker(number):
            known = self.model.workers[worker]
            self.model.join(replace(known, paused=not known.paused))

    def stake(self, number: int) -> None:
        if worker := self._worker(number):
            stake = NanoRlc(number // 8 % 5 * 15)
            self.model.join(replace(self.model.workers[worker], stake=stake))

    def agree(self, number: int) -> None:
        if worker := self._worker(number):
            longest = (None, 100, PERIOD, 3 * PERIOD)[number // 8 % 4]
            least = NanoRlc((0, 40, 120)[number // 32 % 3])
            hosts = frozenset(HOSTS[: number // 96 % 3])
            known = self.model.workers[worker]
            self.model.join(replace(known, longest=longest, least_reward=least, hosts=hosts))

    def doubt(self, number: int) -> None:
        if self.model.tasks:
            name = list(self.model.tasks)[number % len(self.model.tasks)]
            self.model.doubt(name, unsure=name not in self.model.unsure)

    def compute(self, number: int) -> None:
        self._report(number, *TO_COMPUTED)

    def fail(self, number: int) -> None:
        self._report(number, *TO_COMPUTED[:2], Status.APP_DOWNLOAD_FAILED, Status.FAILED)

    def contribute(self, number: int) -> None:
        if pair := self._pair(number):
            task = self.model.tasks[pair[0]]
            known = set(task.view.contributions) if task.view else set()
            self.model.see(pair[0], ChainTaskStatus.ACTIVE, sorted(known | {pair[1]}))

    def complete(self, number: int) -> None:
        if pair := self._pair(number):
            self.model.see(pair[0], ChainTaskStatus.COMPLETED)

    def lose(self, number: int) -> None:
        if pair := self._pair(number):
            self.model.feed(pair[0], Lost(self.model.now, pair[1]))

    def find(self, number: int) -> None:
        if pair := self._pair(number):
            self.model.feed(pair[0], Found(self.model.now, pair[1]))

    def _report(self, number: int, *statuses: Status) -> None:
        if pair := self._pair(number):
            try:
                self.model.report(*pair, *statuses)
            except IllegalTransition:
                return

    def _worker(self, number: int):
        workers = sorted(self.model.workers)
        return workers[number % len(workers)] if workers else None

    def _pair(self, number: int):
        pairs = [(n, a.worker) for n, t in self.model.tasks.items() for a in t.attempts]
        return pairs[number % len(pairs)] if pairs else None


def play(story, seed, *, fair=True, **terms):
    """Play a story; after each step plan, and compare."""
    model = Model(RULES, seed)
    player = Player(model, **terms)
    for kind, number in story:
        player.play(kind, number)
        expected, _ = model.oracle(fair=fair)
        made = model.planner.plan()
        yield model, expected, made
        model.carry_out(made)


@settings(max_examples=examples(400), deadline=None)
@given(Story, st.integers(0, 2**16))
def test_after_any_story_the_same_workers_are_given_the_same_tasks(story, seed):
    for _, expected, made in play(story, seed, requesters=3, deals=True, sources=True):
        assert sorted(made, key=_name) == sorted(expected, key=_name)


@settings(max_examples=examples(200), deadline=None)
@given(Story, st.integers(0, 2**16))
def test_within_one_deal_the_plan_is_what_it_was_before_fairness(story, seed):
    terms = {"requesters": 1, "deals": False, "sources": True}
    for _, expected, made in play([("buy", seed), *story], seed, fair=False, **terms):
        assert sorted(made, key=_name) == sorted(expected, key=_name)


def _name(each):
    return each.task_id, each.worker
