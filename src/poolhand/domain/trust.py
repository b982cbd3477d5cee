"""Trust, weight and consensus, in exact integers.

Source: PoCo 6.x, IexecPoco2Facet.contribute and ``checkConsensus``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    that can reach the trust, so a replicate beyond them could not matter.

    Returns:
        0 when those already at work suffice.
    """
    best = max(groups, key=lambda value: groups[value], default=b"")
    others = sum(weight for value, weight in groups.items() if value != best)
    strength = max(groups.get(best, 0), 1) * prod(pending)
    asked = max(trust, 1)
    untouched = not groups and strength == 1
    count = 0
    while untouched or strength * asked <= (1 + others + strength) * (asked - 1):
        strength *= newcomer
        count += 1
        untouched = False
    return count


def newcomers_needed(trust: Trust) -> int:
    """Count fresh workers (weight 2) that alone reach a trust: 1, 2, 3, 4, 6, 7 for 1 … 100.

    The golden row, for trust 1, 3, 5, 10, 50 and 100, is kept in ``tests/domain/test_trust.py``.
    """
    return contributions_needed(trust, {}, (), Weight(2))
