"""Tasks that nobody who is free can take cost nothing, however many and whoever bought them."""

from __future__ import annotations

import pytest
from bench.placement import NOW, POOR, TO_COMPUTED, Pool
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.ids import Address
from poolhand.domain.placement.had import FEW_KINDS
from poolhand.domain.placement.rank_tree import RankTree
from poolhand.domain.replicate.events import Entry
from poolhand.domain.reputation import Reputation
from poolhand.domain.task.machine import Assigned, Misbehaved, Reported
from poolhand.domain.trust import Weight
from poolhand.domain.units import UnixSeconds
from work import counted

FEW, MANY = 40, 400
MOST = 1.3
HAS_HAD = 1
RESTING = Reputation(settled=5, faults=3, credit=1, rests_until=UnixSeconds(NOW + 10**6))


def number_of(worker):
    return int.from_bytes(worker, "big")


def address(number):
    return Address(number.to_bytes(20, "big"))


class Waiting(Pool):
    """Single tasks of as many buyers, each of which some workers have had and failed at."""

    def __init__(self, size, *, had) -> None:
        super().__init__(0)
        self.join(HAS_HAD)
        for number in range(size):
            self.buy(1, requester=1 + number)
            for worker in had(number):
                self.fails(next(reversed(self.planner.board.needs)), address(worker))
        self.working.clear()
        assert not self.plan()

    def fails(self, task_id, worker):
        self.feed(task_id, Assigned(NOW, worker, Weight(2), proved=True))
        self.feed(task_id, Misbehaved(NOW, worker, "it failed"))

    def newcomer(self):
        self.count += 1
        self.join(10**8 + 1 + POOR * self.count)

    def given_one(self):
        (made,) = self.plan()
        return made

    # ---------------------------------------------------------------------------- what happens

    def passed(self):
        """A block."""
        super().passed()
        assert not self.plan()

    def came(self):
        """A worker comes that fits all, and has one."""
        self.newcomer()
        self.given_one()

    def freed(self):
        """A worker fails at what it has, and is given another."""
        self.newcomer()
        one = self.given_one()
        self.feed(one.task_id, Misbehaved(NOW, one.worker, "it failed"))
        self.given_one()

    def asked_why(self):
        self.planner.why_idle(address(HAS_HAD))


ALIKE = {"had": lambda _number: (HAS_HAD,)}
"""All tasks were had by the one that is free."""
DIFFERENT = {"had": lambda number: (HAS_HAD, 10**6 + 2 * number, 10**6 + 2 * number + 1)}
"""All were had by it, and each by others besides, who are away."""


def work_of(pool, kind):
    getattr(pool, kind)()  # what is made once
    with counted() as work:
        getattr(pool, kind)()
    return work.count


@pytest.mark.parametrize("had", [ALIKE, DIFFERENT], ids=["alike", "different"])
@pytest.mark.parametrize("kind", ["passed", "came", "freed", "asked_why"])
def test_tasks_that_all_who_are_free_have_had_are_hardly_more_work(had, kind):
    few, many = (work_of(Waiting(size, **had), kind) for size in (FEW, MANY))
    assert many <= MOST * few


class Resting(Pool):
    """Everybody is at work but one, who has lost its turn and waits for them."""

    def __init__(self, size, *, had) -> None:
        super().__init__(0)
        workers = 2 * FEW_KINDS
        for number in range(10, 10 + workers):
            self.join(number)
        for number in range(size + workers):
            self.buy(1, requester=1 + number)
        self.plan()
        waiting = [name for name, need in self.planner.board.needs.items() if need.queue]
        for number, task_id in enumerate(waiting):
            for worker in had(number):
                self.feed(task_id, Assigned(NOW, address(worker), Weight(2), proved=True))
                self.feed(task_id, Misbehaved(NOW, address(worker), "it failed"))
        self.planner.join(self.worker(HAS_HAD, RESTING))
        assert not self.plan()

    def computed(self):
        """One has computed: the next task is its, not that of the one who rests."""
        task_id, worker = self.working.pop()
        entries = tuple(Entry(each, NOW) for each in TO_COMPUTED)
        self.feed(task_id, Reported(NOW, worker, 0, entries))
        (made,) = self.plan()
        assert made.worker == worker


NOBODY = {"had": lambda _number: ()}
AWAY = {"had": lambda number: (10**6 + 2 * number, 10**6 + 2 * number + 1)}


@pytest.mark.parametrize("had", [NOBODY, AWAY], ids=["fresh", "begun"])
def test_one_who_rests_beside_a_busy_pool_is_hardly_more_work(had):
    few, many = (work_of(Resting(size, **had), "computed") for size in (FEW, MANY))
    assert many <= MOST * few


def test_who_rests_is_given_what_all_others_have_had():
    pool = Resting(FEW, **NOBODY)
    pool.buy(1, requester=1)
    task_id = next(reversed(pool.planner.board.needs))
    for worker in {worker for _, worker in pool.working}:
        pool.feed(task_id, Assigned(NOW, worker, Weight(2), proved=True))
        pool.feed(task_id, Misbehaved(NOW, worker, "it failed"))
    made = pool.planner.plan()
    assert [number_of(each.worker) for each in made] == [HAS_HAD]


# ------------------------------------------------------------------------------- the tree itself

Change = st.tuples(st.integers(0, 30), st.integers(-1, 50))


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(Change, max_size=120), st.integers(0, 50))
def test_a_walk_yields_what_fits_in_order(changes, least):
    tree, known = RankTree(max), {}
    for item, size in changes:
        if size < 0:
            assert tree.drop(item) is (known.pop(item, None) is not None)
        else:
            key = (size % 7, item)
            assert tree.put(item, key, size) is (known.get(item) != (key, size))
            known[item] = key, size
    fits = sorted((key, item) for item, (key, size) in known.items() if size >= least)
    assert list(tree.walk(lambda most: most >= least)) == fits
    assert tree.sum == max((size for _, size in known.values()), default=None)
    assert tree.least() == min((key for key, _ in known.values()), default=None)
    assert len(tree) == len(known)
