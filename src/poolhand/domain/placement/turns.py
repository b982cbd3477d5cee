"""Workers in the order of their turn: the first that fits is found without going through all.

Every branch knows the most stake there is in it for each kind of machine, and where its workers
connect from as long as that is few places.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.placement.rank_tree import RankTree
from poolhand.domain.units import NanoRlc

Turn: TypeAlias = tuple[bool, bool, float, float]
"""Resting last, proved first, then the least loaded, then chance."""

PLACES_COUNTED: Final = 8
"""Places of which a branch keeps account."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What decides whether a worker fits a task: machine and stake (nRLC); ``source`` may be ''."""

    gpu: bool
    tee: bool
    stake: NanoRlc
    source: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task asks of a worker; ``stake`` in nRLC."""

    gpu: bool
    tee: bool
    stake: NanoRlc

    @property
    def kind(self) -> int:
        """Number of the kind of machine."""
        return self.gpu + 2 * self.tee


class _Abilities(NamedTuple):
    """Of several workers: the most stake for each kind of machine, and whence; None: many places.

    A stake of -1 stands for a kind of machine that none of them is; see ``Demand.kind``.
    """

    most: tuple[int, ...]
    sources: frozenset[str] | None


def _of_one(able: Ability) -> _Abilities:
    gpu, tee, stake = able.gpu, able.tee, able.stake
    most = stake, stake if gpu else -1, stake if tee else -1, stake if gpu and tee else -1
    return _Abilities(most, frozenset((able.source,)) if able.source else None)


def _of_both(one: _Abilities, other: _Abilities) -> _Abilities:
    sources = one.sources
    if sources is not None and sources is not other.sources:
        sources = None if other.sources is None else sources | other.sources
        sources = sources if sources is None or len(sources) <= PLACES_COUNTED else None
    return _Abilities(tuple(map(max, one.most, other.most)), sources)


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
        return known is not None and known.most[demand.kind] >= demand.stake

    def first(
        self, demand: Demand, but: Collection[Address] = (), not_from: Collection[str] = ()
    ) -> tuple[Turn, Address] | None:
        """Return the first in turn that fits, None where nobody does.

        Args:
            demand: What the task asks.
            but: Workers that do not count.
            not_from: Sources whose workers do not count.
        """
        kind, stake, taken = demand.kind, demand.stake, frozenset(not_from)

        def may(known: _Abilities) -> bool:
            if known.most[kind] < stake:
                return False
            return not taken or known.sources is None or not known.sources <= taken

        return next((key for key, worker in self._tree.walk(may) if worker not in but), None)
