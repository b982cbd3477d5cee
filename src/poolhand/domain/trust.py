"""Trust, weight and consensus, in exact integers: how many contributions a task still needs.

Source: PoCo 6.x, IexecPoco2Facet.contribute and ``checkConsensus``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import prod
from typing import NewType

Trust = NewType("Trust", int)
"""Wanted confidence 1 − 1/trust; the chain stores ``max(trust, 1)``."""
Score = NewType("Score", int)
"""A worker's count on the hub: +1 per accurate replicated task, ×2/3 per fault."""
Weight = NewType("Weight", int)
"""Factor of a contribution, at least 2."""


def worker_weight(score: Score) -> Weight:
    """Weigh a contribution by its worker's on-chain score: ``max(score // 3, 3) − 1``."""
    return Weight(max(score // 3, 3) - 1)


def group_weight(weights: Iterable[Weight]) -> int:
    """Weigh a group that agrees: the product of its members, 0 for none."""
    members = tuple(weights)
    return prod(members) if members else 0


def reaches_consensus(trust: Trust, groups: Mapping[bytes, int], candidate: bytes) -> bool:
    """Tell whether the chain declares consensus on ``candidate``.

    Args:
        trust: Of the deal.
        groups: Result hash to group weight (``group_weight``), the candidate's included.
        candidate: The result hash last contributed.
    """
    asked = max(trust, 1)
    total = 1 + sum(groups.values())
    return groups.get(candidate, 0) * asked > total * (asked - 1)


def contributions_needed(
    trust: Trust, groups: Mapping[bytes, int], pending: Iterable[Weight], newcomer: Weight
) -> int:
    """Count the further workers of weight ``newcomer`` that can still matter.

    Assumes that all pending and new workers agree with the strongest group: the fewest replicates
    that can reach the trust, so a replicate beyond them could not matter. Somebody must be pending
    in any case: the hub declares a consensus only when a contribution arrives, even where the
    groups that a reopened task kept would suffice.

    Args:
        trust: Of the deal, whose task has no consensus yet.
        groups: Result hash to group weight, of the contributions on chain.
        pending: Weights of those at work.
        newcomer: Weight of those to come, at least 2.

    Returns:
        0 when those already at work suffice.
    """
    at_work = tuple(pending)
    best = max(groups, key=lambda value: groups[value], default=b"")
    others = sum(weight for value, weight in groups.items() if value != best)
    strength = max(groups.get(best, 0), 1) * prod(at_work)
    asked = max(trust, 1)
    count = 0
    while not (at_work or count) or strength * asked <= (1 + others + strength) * (asked - 1):
        strength *= newcomer
        count += 1
    return count


@lru_cache(maxsize=256)
def newcomers_needed(trust: Trust) -> int:
    """Count fresh workers (weight 2) that alone reach a trust: 1, 2, 3, 4, 6, 7 for 1 … 100.

    The golden row, for trust 1, 3, 5, 10, 50 and 100, is kept in ``tests/domain/test_trust.py``.
    """
    return contributions_needed(trust, {}, (), Weight(2))
