"""Workers in the order of their turn: the first that fits is found without going through all.

A treap over turns. Every node knows of those below it the most stake there is for each kind of
machine, and where they connect from as long as that is few places: so a search passes by whole
branches in which nobody fits. A change and a search cost O(log n).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc

Turn: TypeAlias = tuple[bool, bool, float, float]
"""Resting last, proved first, then the least loaded, then chance."""

FEW: Final = 8
"""Places of which a branch keeps account."""
_SEED: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Ability:
    """What decides whether a worker fits a task: machine and stake (nRLC); ``source`` may be ''."""

    gpu: bool
    tee: bool
    stake: NanoRlc
    source: str = ""

    @property
    def most(self) -> tuple[int, ...]:
        """Its stake for each kind of machine that it is, -1 for others; see ``Demand.kind``."""
        gpu, tee, stake = self.gpu, self.tee, self.stake
        return stake, stake if gpu else -1, stake if tee else -1, stake if gpu and tee else -1

    @property
    def sources(self) -> frozenset[str] | None:
        """Where it connects from; None where that is not told."""
        return frozenset((self.source,)) if self.source else None


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


@dataclass(slots=True)
class _Node:
    turn: tuple[Turn, Address]
    able: Ability
    weight: int
    left: _Node | None = None
    right: _Node | None = None
    most: tuple[int, ...] = ()
    sources: frozenset[str] | None = None


class WorkerTurns:
    """Workers by turn.

    Attributes:
        looks: Nodes that were looked at, for tests that count work.
    """

    def __init__(self) -> None:
        self._root: _Node | None = None
        self._turns: dict[Address, Turn] = {}
        self._chance, self.looks = _SEED, 0

    def __len__(self) -> int:
        return len(self._turns)

    def __contains__(self, worker: Address) -> bool:
        return worker in self._turns

    def put(self, worker: Address, turn: Turn, able: Ability) -> None:
        """Add a worker, or move it."""
        self.drop(worker)
        self._turns[worker] = turn
        self._chance = (self._chance * 6364136223846793005 + 1442695040888963407) & _WORD
        node = _Node((turn, worker), able, self._chance >> 11)
        before, after = self._split(self._root, node.turn)
        self._root = self._merge(self._merge(before, _tell(node)), after)

    def drop(self, worker: Address) -> None:
        """Remove a worker; repeatable."""
        turn = self._turns.pop(worker, None)
        if turn is not None:
            self._root = self._without(self._root, (turn, worker))

    def has(self, demand: Demand) -> bool:
        """Whether anybody fits."""
        root = self._root
        return root is not None and root.most[demand.kind] >= demand.stake

    def first(
        self, demand: Demand, but: Collection[Address] = (), not_from: Collection[str] = ()
    ) -> tuple[Turn, Address] | None:
        """Return the first in turn that fits, None where nobody does.

        Args:
            demand: What the task asks.
            but: Workers that do not count.
            not_from: Sources whose workers do not count.
        """
        return self._first(self._root, demand, but, frozenset(not_from))

    def _first(
        self, node: _Node | None, demand: Demand, but: Collection[Address], taken: frozenset[str]
    ) -> tuple[Turn, Address] | None:
        if node is None:
            return None
        self.looks += 1
        if node.most[demand.kind] < demand.stake:
            return None
        if taken and node.sources is not None and node.sources <= taken:
            return None
        found = self._first(node.left, demand, but, taken)
        if found is not None:
            return found
        if _fits(node.able, demand) and node.able.source not in taken and node.turn[1] not in but:
            return node.turn
        return self._first(node.right, demand, but, taken)

    def _split(
        self, node: _Node | None, turn: tuple[Turn, Address]
    ) -> tuple[_Node | None, _Node | None]:
        if node is None:
            return None, None
        self.looks += 1
        if node.turn < turn:
            middle, after = self._split(node.right, turn)
            node.right = middle
            return _tell(node), after
        before, middle = self._split(node.left, turn)
        node.left = middle
        return before, _tell(node)

    def _merge(self, left: _Node | None, right: _Node | None) -> _Node | None:
        if left is None or right is None:
            return left or right
        self.looks += 1
        if left.weight > right.weight:
            left.right = self._merge(left.right, right)
            return _tell(left)
        right.left = self._merge(left, right.left)
        return _tell(right)

    def _without(self, node: _Node | None, turn: tuple[Turn, Address]) -> _Node | None:
        if node is None:
            return None
        self.looks += 1
        if node.turn == turn:
            return self._merge(node.left, node.right)
        if turn < node.turn:
            node.left = self._without(node.left, turn)
        else:
            node.right = self._without(node.right, turn)
        return _tell(node)


def _fits(able: Ability, demand: Demand) -> bool:
    machine = (able.gpu or not demand.gpu) and (able.tee or not demand.tee)
    return machine and able.stake >= demand.stake


def _tell(node: _Node) -> _Node:
    """Tell a node what is below it, after a change there."""
    able = node.able
    most, sources = able.most, able.sources
    for child in (node.left, node.right):
        if child is not None:
            most = tuple(map(max, most, child.most))
            if sources is not None and sources is not child.sources:
                sources = None if child.sources is None else sources | child.sources
    node.most = most
    node.sources = sources if sources is None or len(sources) <= FEW else None
    return node
