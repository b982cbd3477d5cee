"""Trust: exact consensus, and never more replicates than can matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.trust import (
    Score,
    Trust,
    Weight,
    contributions_needed,
    group_weight,
    newcomers_needed,
    reaches_consensus,
    worker_weight,
)

TRUSTS = st.integers(0, 400).map(Trust)
WEIGHTS = st.integers(2, 20).map(Weight)
GROUPS = st.dictionaries(
    st.sampled_from([b"right", b"wrong", b"odd"]), st.integers(2, 500), max_size=3
)


@pytest.mark.parametrize(
    ("trust", "workers"), [(0, 1), (1, 1), (2, 1), (3, 2), (5, 3), (10, 4), (50, 6), (100, 7)]
)
def test_newcomers_needed_is_the_golden_row(trust, workers):
    assert newcomers_needed(Trust(trust)) == workers


@pytest.mark.parametrize(
    ("score", "weight"),
    [(0, 2), (8, 2), (11, 2), (12, 3), (14, 3), (15, 4), (17, 4), (18, 5), (60, 19)],
)
def test_weights_follow_the_score(score, weight):
    assert worker_weight(Score(score)) == weight


def test_a_group_weighs_the_product_of_its_members():
    assert group_weight([]) == 0
    assert group_weight([Weight(2), Weight(3), Weight(4)]) == 24


@pytest.mark.parametrize(
    ("trust", "groups", "reached"),
    [
        (1, {b"right": 2}, True),
        (2, {b"right": 2}, True),
        (2, {}, False),
        (3, {b"right": 2}, False),
        (3, {b"right": 4}, True),
        (3, {b"right": 4, b"wrong": 2}, False),
        (3, {b"right": 8, b"wrong": 2}, True),
        (4, {b"right": 4}, True),
        (5, {b"right": 4}, False),
        (400, {b"right": 399}, False),
        (400, {b"right": 400}, True),
    ],
)
def test_consensus_is_the_contracts_formula(trust, groups, reached):
    assert reaches_consensus(Trust(trust), groups, b"right") is reached


@given(TRUSTS, GROUPS)
def test_two_results_never_reach_consensus_together_from_trust_2_on(trust, groups):
    winners = [value for value in groups if reaches_consensus(trust, groups, value)]
    assert len(winners) <= 1 or trust <= 1


def simulate(trust, groups, pending, newcomer):
    """Let pending workers, then newcomers, contribute what the strongest group says, one by one,
    and count the newcomers that were there when the hub declared the consensus."""
    groups = dict(groups)
    best = max(groups, key=lambda value: groups[value], default=b"right")
    count = 0
    for weight in pending:
        groups[best] = max(groups.get(best, 0), 1) * weight
    reached = bool(pending) and reaches_consensus(trust, groups, best)
    while not reached:
        groups[best] = max(groups.get(best, 0), 1) * newcomer
        count += 1
        reached = reaches_consensus(trust, groups, best)
    return count


@given(TRUSTS, GROUPS, st.lists(WEIGHTS, max_size=4), WEIGHTS)
def test_contributions_needed_agrees_with_the_hub(trust, groups, pending, newcomer):
    expected = simulate(trust, groups, pending, newcomer)
    assert contributions_needed(trust, groups, pending, newcomer) == expected


def test_a_reopened_task_needs_somebody_though_the_rest_would_suffice():
    """After a reopen a losing group may outweigh the trust, but only a contribution decides."""
    assert reaches_consensus(Trust(3), {b"wrong": 4}, b"wrong")
    assert contributions_needed(Trust(3), {b"wrong": 4}, [], Weight(2)) == 1
    assert contributions_needed(Trust(3), {b"wrong": 4}, [Weight(2)], Weight(2)) == 0


@given(TRUSTS, GROUPS, st.lists(WEIGHTS, max_size=4), WEIGHTS)
def test_never_more_than_can_matter(trust, groups, pending, newcomer):
    """Without the last of them no consensus could come about, not even if all agree."""
    count = contributions_needed(trust, groups, pending, newcomer)
    fewer = [*pending, *[newcomer] * (count - 1)]
    if count and fewer:
        assert contributions_needed(trust, groups, fewer, newcomer) == 1
