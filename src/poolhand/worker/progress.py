"""How far a replicate is, as steps of its way, for a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from poolhand.domain.replicate.machine import Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds

S = Status
_DONE: Final[Mapping[str, frozenset[Status]]] = {
    "get the app": frozenset({S.APP_DOWNLOADED}),
    "get the data": frozenset({S.DATA_DOWNLOADED}),
    "compute": frozenset({S.COMPUTED}),
    "contribute": frozenset({S.CONTRIBUTED}),
    "reveal": frozenset({S.REVEALED}),
    "be paid": frozenset({S.COMPLETED}),
}
"""The steps of a contribution that is revealed, each with what says that it is done."""
_AT_ONCE: Final = ("get the app", "get the data", "compute", "be paid")
"""Those of a task that is contributed and finalized in one transaction."""


@dataclass(frozen=True, slots=True)
class ReplicateProgress:
    """Steps done, of how many, and what the next is called; when the computing began and ended.

    ``contribute_by`` is the chain's last moment to contribute; 0: not known. All others are of this
    machine's clock.
    """

    done: int
    steps: int
    next_step: str
    accepted_at: UnixSeconds | None
    computing_since: UnixSeconds | None
    computed_at: UnixSeconds | None
    contribute_by: UnixSeconds


def progress_of(replicate: Replicate) -> ReplicateProgress:
    """Tell how far a replicate is."""
    steps = tuple(_DONE) if replicate.offer.flow is Flow.STANDARD else _AT_ONCE
    reached = {entry.status for entry in replicate.history}
    done = max((n for n, step in enumerate(steps, 1) if _DONE[step] & reached), default=0)
    first = replicate.history[0].at if replicate.history else None
    return ReplicateProgress(
        done,
        len(steps),
        steps[done] if done < len(steps) and not replicate.is_over else "",
        first,
        _last(replicate, S.COMPUTING),
        _last(replicate, S.COMPUTED),
        replicate.deadline,
    )


def _last(replicate: Replicate, status: Status) -> UnixSeconds | None:
    return next((each.at for each in reversed(replicate.history) if each.status is status), None)
