"""How many workers are idle for which reason, kept by change, is what going through all tells."""

from __future__ import annotations

from collections import Counter

from bench.placement import Pool
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from placement.pool_model import Model, deal_of, worker_of
from placement.test_same_as_oracle import RULES, Player, Story
from poolhand.domain.tag import Tag
from poolhand.domain.task.idle import IdleReason
from work import counted

R = IdleReason


@settings(max_examples=examples(150), deadline=None)
@given(Story, st.integers(0, 2**16))
def test_every_worker_counts_once_under_what_is_nearest_to_a_task(story, seed):
    model = Model(RULES, seed)
    player = Player(model, requesters=3, deals=True, sources=False)
    for kind, number in story:
        player.play(kind, number)
        while made := model.planner.plan():
            model.carry_out(made)
        counts = model.planner.idle_workers()
        assert sum(counts.values()) == len(model.workers)
        assert _plain(counts) == Counter(nearest(model.planner, each) for each in model.workers)
        assert list(counts.values()) == sorted(counts.values(), reverse=True)


def _plain(counts):
    """Count who rests among those that have had what waits: either may hold of who rests."""
    plain = Counter(counts)
    plain[R.HAD_IT] += plain.pop(R.RESTING, 0)
    return +plain


def nearest(planner, worker):
    """Go through all that waits."""
    room = planner.crew.rooms[worker]
    if room.worker.paused:
        return R.PAUSED
    if room.is_full or room.lacks:
        return room.is_full or R.STAKE_TOO_LOW
    waiting = [key for key, _ in planner.board.waiting()]
    may_be_given = [key for key in waiting if planner.can_initialize or not key.is_unset]
    hindrances = {room.hindrance(key.demand) for key in may_be_given}
    if None in hindrances:
        told = planner.why_idle(worker)
        assert R.HAD_IT in told or R.RESTING in told
        return R.HAD_IT
    if len(may_be_given) < len(waiting):
        return R.POOL_OUT_OF_GAS
    if not waiting:
        obstacles = planner.board.obstacles.most_common(1)
        return obstacles[0][0] if obstacles else R.NO_OPEN_TASK
    order = (
        R.STAKE_TOO_LOW, R.GPUS_BUSY, R.REWARD_TOO_LOW, R.HOSTS_NOT_ALLOWED, R.TOO_LONG,
        R.NEEDS_GPU,
    )  # fmt: skip
    return next(each for each in order if each in hindrances)


def test_who_rests_while_another_will_have_a_slot_counts_as_resting():
    model = Model()
    model.join(worker_of(1))
    model.judge(worker_of(1).worker, fault=True)
    model.join(worker_of(2))
    model.buy(deal_of(1, size=2))
    model.carry_out(model.planner.plan())
    assert model.planner.idle_workers() == {R.RESTING: 1, R.BUSY: 1}


def test_who_lacks_a_tee_counts_under_that():
    model = Model()
    model.join(worker_of(1))
    model.buy(deal_of(1, tag=Tag.of(["tee", "scone"])))
    assert model.planner.plan() == ()
    assert model.planner.idle_workers() == {R.NEEDS_TEE: 1}


def test_who_waits_for_the_pools_gas_counts_under_that():
    model = Model()
    model.planner.can_initialize = False
    model.join(worker_of(1))
    model.buy(deal_of(1))
    assert model.planner.plan() == ()
    assert model.planner.idle_workers() == {R.POOL_OUT_OF_GAS: 1}


def test_ten_times_the_pool_is_hardly_more_work_to_count():
    small, large = (_work(Pool(size)) for size in (200, 2000))
    assert large <= 1.3 * small


def _work(pool):
    pool.plan()
    with counted() as work:
        assert pool.planner.idle_workers()
    return work.count
