"""What a pool can sell: only what the workers that are there can do."""

from __future__ import annotations

from collections.abc import Iterable
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
class JointReach:
    """What workers can do together.

    Attributes:
        able: How many would take tasks now.
        fit: How many of them could do what the tag demands.
        staked: How many of these own the stake on the hub.
        willing: Whether one of these takes a task of such a time, for such a reward.
        trust: That those reach who are left.
    """

    able: int
    fit: int
    staked: int
    willing: bool
    trust: Trust


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


def check_in_reach(reach: JointReach, trust: Trust, stake: NanoRlc, tag: Tag) -> None:
    """Check that a task is in reach.

    Args:
        reach: What the workers can do.
        trust: Asked for.
        stake: That each of them needs.
        tag: Asked for.

    Raises:
        NoWorkerForIt: Not one of them can.
        TrustOutOfReach: Some can, and not enough.
    """
    if not reach.able:
        raise NoWorkerForIt(
            "no worker of this pool takes tasks now: try again in a moment, or buy from another "
            "workerpool"
        )
    if not reach.fit:
        raise NoWorkerForIt(
            f"none of this pool's {reach.able} worker(s) has {_machine(tag)}: ask without the "
            f"tag {','.join(tag.names)}, or buy from another workerpool"
        )
    if not reach.staked:
        raise NoWorkerForIt(
            f"none of the {reach.fit} worker(s) that could do it has the {show_rlc(stake)} RLC of "
            "free stake that it takes: ask for a cheaper category, or buy from another workerpool"
        )
    if not reach.willing:
        raise NoWorkerForIt(
            f"none of the {reach.staked} worker(s) that could do it takes it, as their operators "
            "decide: it may compute for too long, or brings them too little: ask for a smaller "
            "category or pay more, or buy from another workerpool"
        )
    if max(trust, 1) > reach.trust:
        raise TrustOutOfReach(
            f"trust {trust} is out of reach of the {reach.staked} worker(s) of this pool that "
            f"could do it now: ask for trust {max(reach.trust, 1)} or less, or buy from another "
            "workerpool"
        )


def _machine(tag: Tag) -> str:
    """Say what a tag demands of a computer, and of what is known of it."""
    gpu = "a GPU and has proved itself" if tag.needs_gpu else ""
    enclave = f"proved a {tag.names[1]} enclave" if tag.needs_tee else ""
    return " and ".join(each for each in (enclave, gpu) if each)
