"""What is sold is what the workers can do: no more trust, no GPU, no stake that is not there."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.orders.offering import (
    Able,
    NoWorkerForIt,
    TrustOutOfReach,
    check_in_reach,
    trust_in_reach,
)
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust, Weight, group_weight, reaches_consensus
from poolhand.domain.units import NanoRlc

ONE, GPU = b"one result", Tag.of(["gpu"])
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


@given(
    able=st.lists(
        st.builds(
            Able, st.integers(2, 9).map(Weight), st.integers(0, 99).map(NanoRlc), st.booleans()
        ),
        max_size=6,
    ),
    trust=st.integers(0, 200).map(Trust),
    tag=st.sampled_from([NO_TAG, GPU]),
    stake=st.integers(0, 99).map(NanoRlc),
)
def test_what_is_let_pass_can_be_done_by_those_who_can(able, trust, tag, stake):
    with suppress(NoWorkerForIt, TrustOutOfReach):
        check_in_reach(able, trust, tag, stake)
        fit = [a for a in able if (a.gpu or tag != GPU) and a.stake >= stake]
        assert fit
        assert reaches_consensus(trust, {ONE: group_weight(a.weight for a in fit)}, ONE)


def test_each_refusal_says_what_would_be_sold():
    plain = Able(Weight(2), NanoRlc(5), gpu=False)
    with pytest.raises(NoWorkerForIt, match="try again in a moment"):
        check_in_reach([], Trust(1), NO_TAG, NanoRlc(0))
    with pytest.raises(NoWorkerForIt, match="without the tag gpu"):
        check_in_reach([plain], Trust(1), GPU, NanoRlc(0))
    with pytest.raises(NoWorkerForIt, match=r"0\.000000006 RLC"):
        check_in_reach([plain], Trust(1), NO_TAG, NanoRlc(6))
    with pytest.raises(TrustOutOfReach, match="trust 2 or less"):
        check_in_reach([plain], Trust(3), NO_TAG, NanoRlc(5))
    check_in_reach([plain], Trust(1), NO_TAG, NanoRlc(5), spare=1)
