"""Workers in the order of their turn: the first that fits is found without going through all.

Every branch knows what there is in it for each kind of machine: the best means, as long as that is
few that differ, and where its workers connect from, as long as that is few places.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.placement.rank_tree import RankTree
from poolhand.domain.units import NanoRlc, Seconds

Turn: TypeAlias = tuple[bool, bool, float, float]
"""Resting last, proved first, then the least loaded, then chance."""

PLACES_COUNTED: Final = 8
"""Places of which a branch keeps account."""
MEANS_COUNTED: Final = 8
"""WorkerMeans of workers with conditions of which a branch keeps account."""
HOST_SETS_COUNTED: Final = 8
"""Sets of hosts of which a branch keeps account."""
_ANY_TIME: Final = 1 << 62
"""Seconds for which anything is done."""
WorkerMeans: TypeAlias = tuple[int, int, int, int, int]
"""GPU, TEE, stake, longest time, and least reward as a negative number: more of each fits more."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What decides whether a worker fits a task; ``source`` may be ''.

    Attributes:
        gpu, tee: Of the machine.
        stake: Free (nRLC).
        source: Where it connects from.
        longest: For which it takes a task; None: for any time.
        least_reward: For which it takes one (nRLC).
        hosts: That its apps can reach.
    """

    gpu: bool
    tee: bool
    stake: NanoRlc
    source: str = ""
    longest: Seconds | None = None
    least_reward: NanoRlc = NanoRlc(0)
    hosts: frozenset[NetworkHost] = frozenset()

    @property
    def has_conditions(self) -> bool:
        """Whether not every task is taken that the machine could do."""
        return self.longest is not None or self.least_reward > 0

    @property
    def means(self) -> WorkerMeans:
        """What it has to offer."""
        longest = _ANY_TIME if self.longest is None else self.longest
        return self.gpu, self.tee, self.stake, longest, -self.least_reward


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task asks of a worker, and brings it.

    Attributes:
        gpu, tee: Whether the machine must have one.
        stake: That it locks (nRLC).
        time: For which it may compute.
        reward: That it brings a worker (nRLC).
        hosts: That its app is to reach.
    """

    gpu: bool
    tee: bool
    stake: NanoRlc
    time: Seconds = Seconds(0)
    reward: NanoRlc = NanoRlc(0)
    hosts: frozenset[NetworkHost] = frozenset()

    @property
    def kind(self) -> int:
        """Number of the kind of machine."""
        return self.gpu + 2 * self.tee

    @property
    def least(self) -> WorkerMeans:
        """What who is given it must have to offer."""
        return self.gpu, self.tee, self.stake, self.time, -self.reward


_HostSets: TypeAlias = tuple[frozenset[NetworkHost], ...]
_Terms: TypeAlias = tuple[tuple[WorkerMeans, ...], _HostSets]
_Abilities: TypeAlias = tuple[tuple[int, ...], frozenset[str] | None, _Terms | None]
"""Of several workers. A plain tuple: one is made for each branch that a change touches.

First of those that take every task: the most stake for each kind of machine, see ``Demand.kind``;
-1 stands for a kind that none of them is. Then whence all connect; None: many places. Then, where
there are such, of those with conditions: the best means, of which none has more of everything than
another; where they are many it is the most of each, which nobody may have together. And of those
whose apps can reach hosts: the widest sets, none within another, or all in one where they are many.
"""
_NO_TERMS: Final[_Terms] = ((), ())


def _may(known: _Abilities, demand: Demand) -> bool:
    """Whether one of them may fit; of one worker: fits."""
    most, _, terms = known
    others, hosts = terms or _NO_TERMS
    if demand.hosts and not any(demand.hosts <= each for each in hosts):
        return False
    if most[demand.kind] >= demand.stake:
        return True
    return any(_has(means, demand.least) for means in others)


def _has(means: WorkerMeans, least: WorkerMeans) -> bool:
    return all(own >= asked for own, asked in zip(means, least, strict=True))


def _of_one(able: Ability) -> _Abilities:
    sources = frozenset((able.source,)) if able.source else None
    hosts = (able.hosts,) if able.hosts else ()
    if able.has_conditions:
        return (-1, -1, -1, -1), sources, ((able.means,), hosts)
    gpu, tee, stake = able.gpu, able.tee, able.stake
    most = stake, stake if gpu else -1, stake if tee else -1, stake if gpu and tee else -1
    return most, sources, ((), hosts) if hosts else None


def _of_both(one: _Abilities, other: _Abilities) -> _Abilities:
    most, sources, terms = one
    its_most, its_sources, its_terms = other
    if sources is not None and sources is not its_sources:
        sources = None if its_sources is None else sources | its_sources
        sources = sources if sources is None or len(sources) <= PLACES_COUNTED else None
    if terms is None:
        terms = its_terms
    elif its_terms is not None:
        terms = _better(terms[0], its_terms[0]), _widest(terms[1], its_terms[1])
    return tuple(map(max, most, its_most)), sources, terms


def _better(
    some: tuple[WorkerMeans, ...], others: tuple[WorkerMeans, ...]
) -> tuple[WorkerMeans, ...]:
    """Return the best means of both."""
    every = {*some, *others}
    best = [a for a in every if not any(a != b and _has(b, a) for b in every)]
    if len(best) > MEANS_COUNTED:
        gpu, tee, stake, longest, least = (max(each) for each in zip(*best, strict=True))
        return ((gpu, tee, stake, longest, least),)
    return tuple(sorted(best))


def _widest(some: _HostSets, others: _HostSets) -> _HostSets:
    """Return the widest sets of both."""
    every = {*some, *others}
    best = [a for a in every if not any(a < b for b in every)]
    if len(best) > HOST_SETS_COUNTED:
        return (frozenset[NetworkHost]().union(*best),)
    return tuple(best)


class WorkerTurns:
    """Workers by turn."""

    def __init__(self) -> None:
        self._tree: RankTree[Address, _Abilities] = RankTree(_of_both)

    def __len__(self) -> int:
        return len(self._tree)

    def __contains__(self, worker: Address) -> bool:
        return worker in self._tree

    @property
    def looks(self) -> int:
        """Nodes that were looked at, for tests that count work."""
        return self._tree.looks

    def put(self, worker: Address, turn: Turn, able: Ability) -> None:
        """Add a worker, or move it."""
        self._tree.put(worker, (turn, worker), _of_one(able))

    def drop(self, worker: Address) -> None:
        """Remove a worker; repeatable."""
        self._tree.drop(worker)

    def has(self, demand: Demand) -> bool:
        """Whether anybody fits."""
        known = self._tree.sum
        if known is None:
            return False
        most, _, terms = known
        if most[demand.kind] >= demand.stake and not demand.hosts:
            return True
        return terms is not None and self.first(demand) is not None

    def first(
        self, demand: Demand, but: Collection[Address] = (), not_from: Collection[str] = ()
    ) -> tuple[Turn, Address] | None:
        """Return the first that ``fitting`` yields, None where nobody fits."""
        return next(self.fitting(demand, but, not_from), None)

    def fitting(
        self, demand: Demand, but: Collection[Address] = (), not_from: Collection[str] = ()
    ) -> Iterator[tuple[Turn, Address]]:
        """Yield who fits, in turn; nothing may be changed meanwhile.

        Args:
            demand: What the task asks.
            but: Workers that do not count.
            not_from: Sources whose workers do not count.
        """
        kind, stake, taken = demand.kind, demand.stake, frozenset(not_from)
        is_simple = not demand.hosts

        def may(known: _Abilities) -> bool:
            most, sources, terms = known
            if not (is_simple and most[kind] >= stake) and not (terms and _may(known, demand)):
                return False
            return not taken or sources is None or not sources <= taken

        return (key for key, worker in self._tree.walk(may) if worker not in but)
