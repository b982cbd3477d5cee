"""Tells workers why they have nothing to do: some with each plan, never all for one change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.placement.planner import Planner
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.units import UnixSeconds
from poolhand.wire.messages import Idle, WorkerBound

RECOUNT: Final = 10
"""Seconds between two messages to a worker in which only the counts differ: each task that comes
or goes changes them for everybody."""
IDLE_WORKERS_PER_PLAN: Final = 32
"""Workers that are looked at with one plan, in turn; in a small pool that is all of them."""


class IdleNews:
    """New reasons are told at once, up to ``IDLE_WORKERS_PER_PLAN``; new counts now and then.

    Args:
        now: The chain's time.
        tell: Hands a message to a worker's session.
        lacks_stake: Told of a worker whose stake holds it back: it may have deposited.
    """

    def __init__(
        self,
        now: Callable[[], UnixSeconds],
        tell: Callable[[Address, WorkerBound], None],
        lacks_stake: Callable[[Address], None],
    ) -> None:
        self._now, self._tell, self._lacks_stake = now, tell, lacks_stake
        # ordered: as in ``looks``
        self._told: OrderedDict[Address, tuple[UnixSeconds, Mapping[str, int]]] = OrderedDict()

    def tell(
        self, planner: Planner, changed: Iterable[Address], given: Collection[Address]
    ) -> None:
        """Tell those that have changed, and those whose turn it is.

        Args:
            planner: Knows why.
            changed: Workers that came, went, or can take more or less than before.
            given: Workers that have just been given something.
        """
        here = planner.crew.rooms
        turn = list(islice(self._told, IDLE_WORKERS_PER_PLAN))
        for worker in dict.fromkeys((*changed, *turn)):
            if worker not in here:
                self._told.pop(worker, None)
                continue
            told = self._told.pop(worker, (UnixSeconds(0), {}))
            self._told[worker] = told  # its next turn comes after all others'
            if worker not in given:
                self._explain(worker, planner.why_idle(worker))

    def _explain(self, worker: Address, reasons: Mapping[str, int]) -> None:
        since, told = self._told[worker]
        now = self._now()
        if IdleReason.STAKE_TOO_LOW in reasons:
            self._lacks_stake(worker)
        is_due = told.keys() != reasons.keys() or now >= since + RECOUNT
        if is_due and told != reasons:
            self._told[worker] = now, reasons
            self._tell(worker, Idle(reasons))
