"""The workers that would take tasks, kept by their stake as they change.

What can be sold is then told from a few of them: as many as reach any trust that is told at all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.orders.offering import MOST_TRUST, JointReach, check_in_reach, trust_in_reach
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import NanoRlc, Seconds

ENOUGH_WORKERS: Final = MOST_TRUST.bit_length()
"""Workers that reach the highest trust there is, for each weighs 2 at least."""
_LAST: Final = b"\xff" * 32


@dataclass(frozen=True, slots=True)
class Able:
    """A worker that would take tasks now.

    ``stake`` is what it owns on the hub (nRLC), ``gpu`` what is known, not only claimed. It takes
    a task for ``longest`` seconds at most (None: any time), and for ``least_reward`` (nRLC).
    """

    weight: Weight
    stake: NanoRlc
    gpu: bool
    longest: Seconds | None = None
    least_reward: NanoRlc = NanoRlc(0)

    @property
    def has_conditions(self) -> bool:
        """Whether it does not take every task."""
        return self.longest is not None or self.least_reward > 0

    def takes(self, time: Seconds, reward: NanoRlc | None) -> bool:
        """Whether it takes a task of some time, for some reward (None: whatever that is)."""
        fits = self.longest is None or time <= self.longest
        return fits and (reward is None or reward >= self.least_reward)


class AbleWorkers:
    """Workers by their stake, the richest first; and so those with a GPU."""

    def __init__(self) -> None:
        self._known: dict[Address, Able] = {}
        self._every: list[tuple[int, Address]] = []
        self._gpu: list[tuple[int, Address]] = []
        self._with_conditions: dict[Address, Able] = {}

    def put(self, worker: Address, able: Able | None) -> None:
        """Take note of what a worker can do now; None: it would take nothing."""
        before = self._known.pop(worker, None)
        self._with_conditions.pop(worker, None)
        if before is not None:
            for order in self._orders(before):
                del order[bisect_left(order, (-before.stake, worker))]
        if able is not None:
            self._known[worker] = able
            if able.has_conditions:
                self._with_conditions[worker] = able
            for order in self._orders(able):
                insort(order, (-able.stake, worker))

    def _orders(self, able: Able) -> Iterator[list[tuple[int, Address]]]:
        yield self._every
        if able.gpu:
            yield self._gpu

    def check(
        self,
        trust: Trust,
        tag: Tag,
        stake: NanoRlc,
        spare: int = 0,
        without: Collection[Address] = (),
        *,
        time: Seconds = Seconds(0),
        reward: NanoRlc | None = None,
    ) -> None:
        """Check that workers can do a task.

        Args:
            trust: Asked for.
            tag: Asked for.
            stake: That each of them needs.
            spare: How many of them may fail, where the trust asks for more than one.
            without: Some that do not count; few.
            time: For which the task may compute.
            reward: That it brings each of them; None: enough.

        Raises:
            NoWorkerForIt: Not one of them can.
            TrustOutOfReach: Some can, and not enough.
        """
        order = self._gpu if tag.needs_gpu else self._every
        out = {worker: self._known[worker] for worker in without if worker in self._known}
        unwilling = self._with_conditions.items()
        out |= {worker: able for worker, able in unwilling if not able.takes(time, reward)}
        fit = {worker: able for worker, able in out.items() if able.gpu or not tag.needs_gpu}
        staked = bisect_right(order, (-stake, _LAST))
        weights = self._weights(order[: min(staked, ENOUGH_WORKERS + spare + len(fit))], out)
        reach = JointReach(
            able=len(self._every) - len(out),
            fit=len(order) - len(fit),
            staked=staked - sum(able.stake >= stake for able in fit.values()),
            trust=trust_in_reach(weights, spare if trust > 1 else 0),
        )
        check_in_reach(reach, trust, stake)

    def reach(self, spare: int, stake: NanoRlc = NanoRlc(0)) -> Trust:
        """Return the highest trust that those reach who own a stake; 0 where there are none."""
        staked = bisect_right(self._every, (-stake, _LAST))
        weights = self._weights(self._every[: min(staked, ENOUGH_WORKERS + spare)], ())
        return trust_in_reach(weights, spare)

    @property
    def limits_time(self) -> bool:
        """Whether one of them does not take tasks of any time."""
        return any(able.longest is not None for able in self._with_conditions.values())

    def __len__(self) -> int:
        return len(self._every)

    def _weights(self, some: list[tuple[int, Address]], out: Collection[Address]) -> list[Weight]:
        return [self._known[worker].weight for _, worker in some if worker not in out]
