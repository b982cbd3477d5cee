"""What a pool can sell: only what the workers that are there can do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust, Weight, group_weight
from poolhand.domain.units import NanoRlc, show_rlc

MOST_TRUST: Final = Trust(1 << 32)
"""More is not told, whatever the weights would reach."""


class NoWorkerForIt(Refused):
    """No worker that is there can do what is asked for."""

    http_status = 409


class TrustOutOfReach(Refused):
    """The workers that are there cannot reach the trust together."""

    http_status = 409


@dataclass(frozen=True, slots=True)
class Able:
    """A worker that would take tasks now.

    ``stake`` is what it owns on the hub (nRLC), ``gpu`` what is known, not only claimed.
    """

    weight: Weight
    stake: NanoRlc
    gpu: bool


def trust_in_reach(weights: Iterable[Weight], spare: int = 0) -> Trust:
    """Return the highest trust that workers reach who all agree; 0 when there are none.

    A group of weight w reaches a trust t when w·t > (1 + w)·(t − 1), which is t ≤ w; one worker
    alone, of whatever weight, reaches as much.

    Args:
        weights: Of the workers.
        spare: How many of them, the heaviest, may fail.
    """
    left = sorted(weights)[: -spare or None]
    return Trust(min(group_weight(left), MOST_TRUST))


def check_in_reach(
    able: Collection[Able], trust: Trust, tag: Tag, stake: NanoRlc, spare: int = 0
) -> None:
    """Check that workers can do a task.

    Args:
        able: Who would take tasks now.
        trust: Asked for.
        tag: Asked for.
        stake: That each of them needs.
        spare: How many of them may fail, where the trust asks for more than one.

    Raises:
        NoWorkerForIt: Not one of them can.
        TrustOutOfReach: Some can, and not enough.
    """
    if not able:
        raise NoWorkerForIt(
            "no worker of this pool takes tasks now: try again in a moment, or buy from another "
            "workerpool"
        )
    fit = [each for each in able if each.gpu or not tag.needs_gpu]
    if not fit:
        raise NoWorkerForIt(
            f"none of this pool's {len(able)} worker(s) has a GPU and has proved itself: ask "
            "without the tag gpu, or buy from another workerpool"
        )
    staked = [each for each in fit if each.stake >= stake]
    if not staked:
        raise NoWorkerForIt(
            f"none of the {len(fit)} worker(s) that could do it has the {show_rlc(stake)} RLC of "
            "free stake that it takes: ask for a cheaper category, or buy from another workerpool"
        )
    reach = trust_in_reach((each.weight for each in staked), spare if trust > 1 else 0)
    if max(trust, 1) > reach:
        raise TrustOutOfReach(
            f"trust {trust} is out of reach of the {len(staked)} worker(s) of this pool that could "
            f"do it now: ask for trust {max(reach, 1)} or less, or buy from another workerpool"
        )
