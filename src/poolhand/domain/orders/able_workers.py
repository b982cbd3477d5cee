"""The workers that would take tasks, kept by their stake as they change.

What can be sold is then told from a few of them: as many as reach any trust that is told at all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.orders.offering import (
    MOST_TRUST,
    JointReach,
    NoWorkerForIt,
    check_in_reach,
    trust_in_reach,
)
from poolhand.domain.placement.turns import Ability, Demand, WorkerTurns
from poolhand.domain.tag import Tag
from poolhand.domain.tee.framework import TeeFramework, framework_of
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import NanoRlc, Seconds

ENOUGH_WORKERS: Final = MOST_TRUST.bit_length()
"""Workers that reach the highest trust there is, for each weighs 2 at least."""
_LAST: Final = b"\xff" * 32
_ANY_REWARD: Final = NanoRlc(1 << 62)
_Machine: TypeAlias = tuple[bool, TeeFramework | None]
"""Whether it has a GPU, and the framework that it has proved, one of several."""
_MACHINES: Final = tuple((gpu, tee) for gpu in (False, True) for tee in (None, *TeeFramework))


@dataclass(frozen=True, slots=True)
class Able:
    """A worker that would take tasks now.

    ``stake`` is what it owns on the hub (nRLC), ``gpu`` what is known, not only claimed. It takes
    a task for ``longest`` seconds at most (None: any time), and for ``least_reward`` (nRLC). Its
    apps can reach ``hosts``. ``tee`` are the frameworks of which it has proved that they work.
    """

    weight: Weight
    stake: NanoRlc
    gpu: bool
    longest: Seconds | None = None
    least_reward: NanoRlc = NanoRlc(0)
    hosts: frozenset[NetworkHost] = frozenset()
    tee: frozenset[str] = frozenset()

    @property
    def has_conditions(self) -> bool:
        """Whether it does not take every task."""
        return self.longest is not None or self.least_reward > 0

    @property
    def ability(self) -> Ability:
        """As placement sees it."""
        least, hosts = self.least_reward, self.hosts
        return Ability(self.gpu, self.tee, self.stake, "", self.longest, least, hosts)

    @property
    def machines(self) -> Iterator[_Machine]:
        """Every kind of machine that it is, from any to one with all that a tag can demand."""
        for gpu in (False, True) if self.gpu else (False,):
            yield gpu, None
            yield from ((gpu, each) for each in TeeFramework if each in self.tee)


class AbleWorkers:
    """Workers by their stake, the richest first: by machine, with conditions, with hosts."""

    def __init__(self) -> None:
        self._known: dict[Address, Able] = {}
        self._every = {machine: _ByStake() for machine in _MACHINES}
        self._open = {machine: _ByStake() for machine in _MACHINES}  # to every task
        self._choosy, self._reaching = WorkerTurns(), WorkerTurns()
        self._limited: set[Address] = set()

    def put(self, worker: Address, able: Able | None) -> None:
        """Take note of what a worker can do now; None: it would take nothing."""
        before = self._known.pop(worker, None)
        if before is not None:
            for order in self._orders(before):
                order.drop(worker, before.stake)
        if able is not None:
            self._known[worker] = able
            for order in self._orders(able):
                order.put(worker, able.stake)
        self._choose(worker, able)

    def _orders(self, able: Able) -> Iterator[_ByStake]:
        for machine in able.machines:
            yield self._every[machine]
            if not able.has_conditions:
                yield self._open[machine]

    def _choose(self, worker: Address, able: Able | None) -> None:
        for some, belongs in (
            (self._choosy, able is not None and able.has_conditions),
            (self._reaching, able is not None and bool(able.hosts)),
        ):
            if able is None or not belongs:
                some.drop(worker)
            else:
                some.put(worker, (False, False, float(-able.stake), 0.0), able.ability)
        limits = able is not None and able.longest is not None
        (self._limited.add if limits else self._limited.discard)(worker)

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
        hosts: Collection[NetworkHost] = (),
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
            hosts: That the app is to reach.

        Raises:
            NoWorkerForIt: Not one of them can.
            TrustOutOfReach: Some can, and not enough.
            NoOneFramework: No machine is what the tag asks for.
        """
        machine = tag.needs_gpu, framework_of(tag)
        order = self._every[machine]
        out = {worker: self._known[worker] for worker in without if worker in self._known}
        fit = [able for able in out.values() if machine in able.machines]
        brings, wanted = _ANY_REWARD if reward is None else reward, frozenset(hosts)
        demand = Demand(*machine, stake, time, brings, wanted)
        self._check_hosts(wanted)
        weights = list(self._willing(demand, ENOUGH_WORKERS + spare, out))
        reach = JointReach(
            able=len(self) - len(out),
            fit=len(order) - len(fit),
            staked=order.owning(stake) - sum(able.stake >= stake for able in fit),
            willing=bool(weights),
            trust=trust_in_reach(weights, spare if trust > 1 else 0),
        )
        check_in_reach(reach, trust, stake, tag)

    def _willing(self, demand: Demand, most: int, out: Collection[Address]) -> Iterator[Weight]:
        """Yield the weights of so many who would do it, if there are so many, and of a few more."""
        if demand.hosts:
            for _, worker in islice(self._reaching.fitting(demand, out), most):
                yield self._known[worker].weight
            return
        unconditional = self._open[demand.gpu, demand.tee]
        yield from self._weights(unconditional.richest(demand.stake, most + len(out)), out)
        for _, worker in islice(self._choosy.fitting(demand, out), most):
            yield self._known[worker].weight

    def _check_hosts(self, hosts: frozenset[NetworkHost]) -> None:
        """Check that somebody's apps can reach all of some hosts, whatever else is asked."""
        anything = Demand(False, None, NanoRlc(0), Seconds(0), _ANY_REWARD, hosts)
        if hosts and len(self) and not self._reaching.has(anything):
            raise NoWorkerForIt(
                f"no worker of this pool lets apps through to {' and '.join(sorted(hosts))}: ask "
                "without that, buy from another workerpool, or let a worker's operator allow it "
                "(--network-hosts)"
            )

    def reach(
        self, spare: int, stake: NanoRlc = NanoRlc(0), tee: TeeFramework | None = None
    ) -> Trust:
        """Return the highest trust that those reach who own a stake; 0 where there are none.

        Args:
            spare: How many of them may fail.
            stake: That each must own (nRLC).
            tee: The framework that each must have proved; None: any machine will do.
        """
        some = self._every[False, tee].richest(stake, ENOUGH_WORKERS + spare)
        return trust_in_reach(self._weights(some, ()), spare)

    @property
    def limits_time(self) -> bool:
        """Whether one of them does not take tasks of any time."""
        return bool(self._limited)

    def __len__(self) -> int:
        return len(self._known)

    def _weights(self, some: Iterable[Address], out: Collection[Address]) -> list[Weight]:
        return [self._known[worker].weight for worker in some if worker not in out]


class _ByStake:
    """Workers by their stake, the richest first."""

    def __init__(self) -> None:
        self._order: list[tuple[int, Address]] = []

    def __len__(self) -> int:
        return len(self._order)

    def put(self, worker: Address, stake: NanoRlc) -> None:
        insort(self._order, (-stake, worker))

    def drop(self, worker: Address, stake: NanoRlc) -> None:
        del self._order[bisect_left(self._order, (-stake, worker))]

    def owning(self, stake: NanoRlc) -> int:
        """Return how many own a stake (nRLC)."""
        return bisect_right(self._order, (-stake, _LAST))

    def richest(self, stake: NanoRlc, most: int) -> Iterator[Address]:
        """Yield those that own a stake (nRLC), so many at most."""
        return (worker for _, worker in self._order[: min(self.owning(stake), most)])
