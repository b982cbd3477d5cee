"""What is sold is what the workers can do: no more trust, no GPU, no stake that is not there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.ids import Address
from poolhand.domain.orders.able_workers import ENOUGH_WORKERS, Able, AbleWorkers
from poolhand.domain.orders.offering import (
    MOST_TRUST,
    NoWorkerForIt,
    TrustOutOfReach,
    trust_in_reach,
)
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.trust import Trust, Weight, group_weight, reaches_consensus
from poolhand.domain.units import NanoRlc, Seconds

ONE, GPU = b"one result", Tag.of(["gpu"])
ABLE = st.builds(
    Able,
    st.integers(2, 9).map(Weight),
    st.integers(0, 99).map(NanoRlc),
    st.booleans(),
    tee=st.frozensets(st.sampled_from(["tdx", "scone"])),
)
TDX = Tag.of(["tee", "tdx"])
TAGS = st.sampled_from([NO_TAG, GPU, TDX, TDX.union(GPU)])


def suits(able, tag):
    """Whether a worker's machine is what a tag demands."""
    return (able.gpu or not tag.needs_gpu) and ("tdx" in able.tee or not tag.needs_tee)


WEIGHTS = st.lists(st.integers(2, 20).map(Weight), max_size=6)


@given(WEIGHTS)
def test_the_trust_in_reach_is_what_the_contract_would_agree_on_and_no_more(weights):
    reach = trust_in_reach(weights)
    if not weights:
        assert reach == 0
        return
    group = {ONE: group_weight(weights)}
    assert reaches_consensus(reach, group, ONE)
    assert not reaches_consensus(Trust(reach + 1), group, ONE)


@given(WEIGHTS, st.integers(0, 3))
def test_any_so_many_workers_may_fail_and_the_trust_is_reached_still(weights, spare):
    reach = trust_in_reach(weights, spare)
    left = sorted(weights)[: max(len(weights) - spare, 0)]
    assert reach == (group_weight(left) if left else 0)


def name(number):
    return Address(number.to_bytes(20, "big"))


def check(able, *terms, **more):
    workers = AbleWorkers()
    for number, each in enumerate(able):
        workers.put(name(number), each)
    workers.check(*terms, **more)


@given(
    able=st.lists(ABLE, max_size=6),
    trust=st.integers(0, 200).map(Trust),
    tag=TAGS,
    stake=st.integers(0, 99).map(NanoRlc),
)
def test_what_is_let_pass_can_be_done_by_those_who_can(able, trust, tag, stake):
    with suppress(NoWorkerForIt, TrustOutOfReach):
        check(able, trust, tag, stake)
        fit = [a for a in able if suits(a, tag) and a.stake >= stake]
        assert fit
        assert reaches_consensus(trust, {ONE: group_weight(a.weight for a in fit)}, ONE)


def test_each_refusal_says_what_would_be_sold():
    plain = Able(Weight(2), NanoRlc(5), gpu=False)
    with pytest.raises(NoWorkerForIt, match="try again in a moment"):
        check([], Trust(1), NO_TAG, NanoRlc(0))
    with pytest.raises(NoWorkerForIt, match="without the tag gpu"):
        check([plain], Trust(1), GPU, NanoRlc(0))
    with pytest.raises(NoWorkerForIt, match="has proved a tdx enclave: ask without the tag tee,t"):
        check([plain], Trust(1), TDX, NanoRlc(0))
    with pytest.raises(NoWorkerForIt, match=r"0\.000000006 RLC"):
        check([plain], Trust(1), NO_TAG, NanoRlc(6))
    with pytest.raises(TrustOutOfReach, match="trust 2 or less"):
        check([plain], Trust(3), NO_TAG, NanoRlc(5))
    check([plain], Trust(1), NO_TAG, NanoRlc(5), spare=1)


@given(
    changes=st.lists(st.tuples(st.integers(0, 7), st.none() | ABLE), max_size=40),
    trust=st.integers(0, 200).map(Trust),
    tag=TAGS,
    stake=st.integers(0, 99).map(NanoRlc),
    spare=st.integers(0, 2),
    without=st.sets(st.integers(0, 7), max_size=3),
)
def test_what_was_kept_as_workers_changed_is_what_a_look_at_all_would_find(
    changes, trust, tag, stake, spare, without
):
    kept, known = AbleWorkers(), {}
    for number, able in changes:
        kept.put(name(number), able)
        known[number] = able
    left = [a for number, a in known.items() if a is not None and number not in without]
    fit = [a for a in left if suits(a, tag) and a.stake >= stake]
    reach = trust_in_reach([a.weight for a in fit], spare if trust > 1 else 0)
    out = [name(number) for number in without]
    if max(trust, 1) <= reach and fit:
        kept.check(trust, tag, stake, spare, out)
    else:
        with pytest.raises((NoWorkerForIt, TrustOutOfReach), match=told(left, fit, tag)):
            kept.check(trust, tag, stake, spare, out)
    everybody = [a.weight for a in known.values() if a is not None]
    assert kept.reach(spare) == trust_in_reach(everybody, spare)
    proved = [a.weight for a in known.values() if a is not None and "tdx" in a.tee]
    assert kept.reach(spare, tee=TeeFramework.TDX) == trust_in_reach(proved, spare)
    assert len(kept) == len(everybody)


def told(left, fit, tag):
    able = sum(suits(a, tag) for a in left)
    if not left:
        return "no worker of this pool"
    if not able:
        return f"none of this pool's {len(left)} "
    return f"out of reach of the {len(fit)} " if fit else f"none of the {able} "


@pytest.mark.parametrize("workers", [ENOUGH_WORKERS + 2, 10 * ENOUGH_WORKERS])
def test_of_many_workers_a_few_are_looked_at(workers):
    kept = AbleWorkers()
    for number in range(workers):
        kept.put(name(number), Able(Weight(2), NanoRlc(5), gpu=False))
    kept._known = seen = Seen(kept._known)
    kept.check(MOST_TRUST, NO_TAG, NanoRlc(5), 1, [name(3)])
    assert kept.reach(1) == MOST_TRUST
    assert seen.count <= 2 * (ENOUGH_WORKERS + 4)


class Seen(dict):
    """Counts looks."""

    count = 0

    def __getitem__(self, key):
        self.count += 1
        return super().__getitem__(key)


@given(st.lists(ABLE, max_size=6), st.integers(0, 3), st.integers(0, 99), st.integers(0, 99))
def test_whoever_would_not_take_a_task_counts_as_away(able, index, time, reward):
    """Conditions leave a worker out of what is sold just as its absence does."""
    some, all_there = AbleWorkers(), AbleWorkers()
    for number, free in enumerate(able):
        name = Address(bytes([number + 1] * 20))
        picky = replace(free, longest=Seconds(50), least_reward=NanoRlc(50))
        each = picky if number % 4 == index else free
        all_there.put(name, each)
        if each is free or (time <= 50 and reward >= 50):
            some.put(name, each)
    asked = Trust(2), NO_TAG, NanoRlc(30)
    told = {"time": Seconds(time), "reward": NanoRlc(reward)}
    assert _refused(all_there, asked, told) == _refused(some, asked, {})


def _refused(workers, asked, told):
    try:
        workers.check(*asked, **told)
    except (NoWorkerForIt, TrustOutOfReach) as fault:
        return type(fault)
    return None


def test_who_could_and_will_not_is_told_from_who_could_not():
    picky = Able(Weight(2), NanoRlc(5), gpu=False, longest=Seconds(50), least_reward=NanoRlc(9))
    for told in ({"time": Seconds(51)}, {"reward": NanoRlc(8)}):
        with pytest.raises(
            NoWorkerForIt, match=r"none of the 1 worker\(s\) that could do it takes it"
        ):
            check([picky], Trust(1), NO_TAG, NanoRlc(5), **told)
    check([picky], Trust(1), NO_TAG, NanoRlc(5), time=Seconds(50), reward=NanoRlc(9))


@pytest.mark.parametrize("workers", [100, 1000])
def test_of_many_with_conditions_a_few_are_looked_at(workers):
    kept = AbleWorkers()
    for number in range(workers):
        time, reward = Seconds(10 + number % 3), NanoRlc(number % 5)
        kept.put(name(number), Able(Weight(2), NanoRlc(number), False, time, reward))
    before = kept._choosy.looks
    for _ in range(10):
        kept.check(MOST_TRUST, NO_TAG, NanoRlc(5), time=Seconds(12), reward=NanoRlc(4))
        with pytest.raises(NoWorkerForIt, match="could do it takes it"):
            kept.check(Trust(1), NO_TAG, NanoRlc(5), time=Seconds(13), reward=NanoRlc(4))
    assert kept._choosy.looks - before < 10 * 8 * ENOUGH_WORKERS
