"""What a replicate has at stake on chain, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.gas_reserve import owes_reveal
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, TaskView
from poolhand.domain.replicate.machine import Flow, Replicate
from poolhand.domain.units import NanoRlc, UnixSeconds

_OPEN: Final = (ChainTaskStatus.ACTIVE, ChainTaskStatus.REVEALING)
_STAKED: Final = (ContributionStatus.CONTRIBUTED, ContributionStatus.PROVED)


@dataclass(frozen=True, slots=True)
class ReplicateStake:
    """A replicate's stake, as the chain has it.

    Attributes:
        locked: ReplicateStake in the task (nRLC).
        reveal_owed: Whether a contribution is or may be on chain and is not proved.
        reveal_by: When that is to be done; None while there is no consensus, or nothing is owed.
        unlocks_at: When the stake is free at the latest: from then on anybody may claim the task
            (final deadline). None when nothing is locked.
    """

    locked: NanoRlc = NanoRlc(0)
    reveal_owed: bool = False
    reveal_by: UnixSeconds | None = None
    unlocks_at: UnixSeconds | None = None


def stake_of(
    replicate: Replicate, view: TaskView | None, worker_stake: NanoRlc | None
) -> ReplicateStake:
    """Tell a replicate's stake.

    Args:
        replicate: As it stands.
        view: The chain's newest view of its task, with its own contribution alone; None before
            the first look.
        worker_stake: What the deal locks for a contribution; None when the deal was not read.
    """
    owed = owes_reveal(replicate)
    if view is None:
        return ReplicateStake(reveal_owed=owed)
    own = next(iter(view.contributions.values()), None)
    staked = own is not None and own.status in _STAKED and view.status in _OPEN
    proved = own is not None and own.status is ContributionStatus.PROVED
    locked = worker_stake if staked and replicate.offer.flow is Flow.STANDARD else None
    revealing = view.status is ChainTaskStatus.REVEALING
    due = owed and not proved
    return ReplicateStake(
        locked or NanoRlc(0),
        due,
        view.reveal_deadline if due and revealing else None,
        view.final_deadline if locked else None,
    )
