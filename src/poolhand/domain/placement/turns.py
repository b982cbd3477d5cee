"""Workers in the order of their turn: the first that fits is found without going through all.

Every branch knows what there is in it for each kind of machine: the best means, as long as that is
few that differ, and where its workers connect from, as long as that is few places.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.placement.rank_tree import RankTree
from poolhand.domain.tee.framework import TeeFramework
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
WorkerMeans: TypeAlias = tuple[int, ...]
"""GPU, each framework of a TEE, stake, longest time, and least reward as a negative number: more of
each fits more."""
_FRAMEWORKS: Final = tuple(TeeFramework)
_TEE_KINDS: Final[Mapping[TeeFramework | None, int]] = {
    None: 0,
    **{each: 2 * number for number, each in enumerate(_FRAMEWORKS, start=1)},
}
_ASKED: Final = {
    each: tuple(each is framework for framework in _FRAMEWORKS) for each in (None, *_FRAMEWORKS)
}
_KINDS: Final = 2 * len(_TEE_KINDS)


@dataclass(frozen=True, slots=True)
class Ability:
    """What decides whether a worker fits a task; ``source`` may be ''.

    Attributes:
        gpu: Of the machine.
        tee: Frameworks of which the machine has proved that they work.
        stake: Free (nRLC).
        source: Where it connects from.
        longest: For which it takes a task; None: for any time.
        least_reward: For which it takes one (nRLC).
        hosts: That its apps can reach.
    """

    gpu: bool
    tee: frozenset[str]
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
        tee = (each in self.tee for each in _FRAMEWORKS)
        return self.gpu, *tee, self.stake, longest, -self.least_reward


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task asks of a worker, and brings it.

    Attributes:
        gpu: Whether the machine must have one.
        tee: The framework that it must have proved; None: any machine will do.
        stake: That it locks (nRLC).
        time: For which it may compute.
        reward: That it brings a worker (nRLC).
        hosts: That its app is to reach.
    """

    gpu: bool
    tee: TeeFramework | None
    stake: NanoRlc
    time: Seconds = Seconds(0)
    reward: NanoRlc = NanoRlc(0)
    hosts: frozenset[NetworkHost] = frozenset()

    @property
    def kind(self) -> int:
        """Number of the kind of machine."""
        return self.gpu + _TEE_KINDS[self.tee]

    @property
    def least(self) -> WorkerMeans:
        """What who is given it must have to offer."""
        return self.gpu, *_ASKED[self.tee], self.stake, self.time, -self.reward


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
_NONE_OF_ANY: Final = (-1,) * _KINDS
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
        return _NONE_OF_ANY, sources, ((able.means,), hosts)
    stake, on_gpu = able.stake, able.stake if able.gpu else -1
    most: tuple[int, ...] = (stake, on_gpu, *_NONE_OF_ANY[2:])
    if able.tee:
        tees = ((stake, on_gpu) if each in able.tee else (-1, -1) for each in _FRAMEWORKS)
        most = (stake, on_gpu, *chain.from_iterable(tees))
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
        return (tuple(max(each) for each in zip(*best, strict=True)),)
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
