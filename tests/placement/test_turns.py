"""The first in turn that fits is who a look at everybody would find, and is found without it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from placement.pool_model import address
from poolhand.domain.placement.turns import Ability, Demand, WorkerTurns
from poolhand.domain.ranking import Ranking
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.units import NanoRlc, Seconds

SOURCES = ("", "a", "b", "c")
Worker = st.tuples(
    st.integers(0, 9), st.booleans(), st.frozensets(st.sampled_from(TeeFramework)),
    st.integers(0, 5), st.sampled_from(SOURCES),
    st.integers(0, 3), st.integers(0, 3),
)  # fmt: skip
Ask = st.tuples(
    st.booleans(), st.none() | st.sampled_from(TeeFramework), st.integers(0, 5),
    st.sets(st.integers(0, 9), max_size=3), st.sets(st.sampled_from(SOURCES[1:])),
)  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(Worker, max_size=30), st.lists(Ask, min_size=1, max_size=5))
def test_the_first_that_fits_is_found(workers, asks):
    tree, known = WorkerTurns(), {}
    for number, gpu, tee, stake, source, load, chance in workers:
        if chance == 3:
            tree.drop(address(number))
            known.pop(number, None)
            continue
        turn, able = (False, False, float(load), float(chance)), Ability(gpu, tee, stake, source)
        tree.put(address(number), turn, able)
        known[number] = turn, address(number), able
    for gpu, tee, stake, but, not_from in asks:
        demand = Demand(gpu, tee, NanoRlc(stake))
        fit = [
            (turn, name)
            for number, (turn, name, able) in known.items()
            if (able.gpu or not gpu) and (tee is None or tee in able.tee) and able.stake >= stake
            if number not in but and able.source not in not_from
        ]
        found = tree.first(demand, {address(each) for each in but}, not_from)
        assert found == min(fit, default=None)
        assert len(tree) == len(known)


Conditioned = st.tuples(
    st.booleans(), st.frozensets(st.sampled_from(TeeFramework)),
    st.integers(0, 4), st.none() | st.integers(1, 12), st.integers(0, 12),
    st.frozensets(st.sampled_from("abcdef"), max_size=4),
)  # fmt: skip


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(Conditioned, max_size=40),
    st.lists(
        st.tuples(
            st.booleans(),
            st.none() | st.sampled_from(TeeFramework),
            st.integers(0, 4),
            st.integers(0, 13),
            st.integers(0, 13),
            st.frozensets(st.sampled_from("abcdef"), max_size=3),
        ),
        min_size=1,
        max_size=10,
    ),
)
def test_the_first_is_found_whose_conditions_a_task_meets(workers, asks):
    tree = WorkerTurns()
    for number, (gpu, tees, stake, longest, least, hosts) in enumerate(workers):
        able = Ability(gpu, frozenset(tees), NanoRlc(stake), "", longest, NanoRlc(least), hosts)
        tree.put(address(number), (False, False, 0.0, float(number)), able)
    for gpu, tee, stake, time, reward, wanted in asks:
        demand = Demand(gpu, tee, NanoRlc(stake), Seconds(time), NanoRlc(reward), wanted)
        fit = [
            address(number)
            for number, (has_gpu, has, owns, longest, least, hosts) in enumerate(workers)
            if has_gpu >= gpu and (tee is None or tee in has) and owns >= stake and least <= reward
            if wanted <= hosts and (longest is None or time <= longest)
        ]
        found = tree.first(demand)
        assert (found and found[1]) == (fit[0] if fit else None)
        assert tree.has(demand) is bool(fit)


def test_a_crowd_from_one_address_is_passed_by_as_a_whole():
    looks = []
    for crowd in (200, 2000):
        tree = WorkerTurns()
        for number in range(crowd):
            able = Ability(gpu=False, tee=frozenset(), stake=NanoRlc(1), source="one lab")
            tree.put(address(number), (False, False, 0.0, float(number)), able)
        stranger = Ability(gpu=False, tee=frozenset(), stake=NanoRlc(1), source="another")
        tree.put(address(crowd), (False, False, 1.0, 0.0), stranger)
        before = tree.looks
        found = tree.first(Demand(gpu=False, tee=None, stake=NanoRlc(1)), (), {"one lab"})
        assert found is not None
        assert found[1] == address(crowd)
        looks.append(tree.looks - before)
    assert looks[1] <= 60


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 20)), max_size=200))
def test_a_ranking_knows_its_least_and_forgets_what_no_longer_holds(changes):
    ranking, known = Ranking(), {}
    for item, key in changes:
        if key < 0:
            ranking.drop(item)
            known.pop(item, None)
        else:
            ranking.put(item, (key,))
            known[item] = key
        least = ranking.least()
        assert least == (min(known.values()),) if known else least is None
        assert len(ranking) == len(known)
        assert len(ranking._heap) <= 2 * len(ranking) + 65
