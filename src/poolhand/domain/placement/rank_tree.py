"""Items in order of their keys, each branch summed up: who fits is found without all the others.

A treap: every node knows the sum of what is below it, so a search passes by whole branches in which
nothing can fit. A change and a search cost O(log n).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

ItemT = TypeVar("ItemT")
SumT = TypeVar("SumT")
_SEED: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1


@dataclass(slots=True)
class _Node(Generic[ItemT, SumT]):
    key: Any
    item: ItemT
    own: SumT
    weight: int
    sum: SumT
    left: _Node[ItemT, SumT] | None = None
    right: _Node[ItemT, SumT] | None = None


class RankTree(Generic[ItemT, SumT]):
    """Items by key; all keys are different, and can be compared.

    Args:
        add: Sums up two sums; in which order is all the same.

    Attributes:
        looks: Nodes that were looked at, for tests that count work.
    """

    def __init__(self, add: Callable[[SumT, SumT], SumT]) -> None:
        self._add, self._chance, self.looks = add, _SEED, 0
        self._root: _Node[ItemT, SumT] | None = None
        self._known: dict[ItemT, tuple[Any, SumT]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, item: object) -> bool:
        return item in self._known

    @property
    def sum(self) -> SumT | None:
        """Of all; None where there is nothing."""
        return None if self._root is None else self._root.sum

    def least(self) -> Any:
        """Return the least key; None where there is nothing."""
        node = self._root
        while node is not None and node.left is not None:
            node = node.left
        return None if node is None else node.key

    def put(self, item: ItemT, key: Any, own: SumT) -> bool:
        """Add an item, or move it; returns whether anything has changed."""
        if self._known.get(item) == (key, own):
            return False
        self.drop(item)
        self._known[item] = key, own
        self._chance = (self._chance * 6364136223846793005 + 1442695040888963407) & _WORD
        node = _Node(key, item, own, self._chance >> 11, own)
        before, after = self._split(self._root, key)
        self._root = self._merge(self._merge(before, node), after)
        return True

    def drop(self, item: ItemT) -> bool:
        """Remove an item; returns whether it was there."""
        known = self._known.pop(item, None)
        if known is not None:
            self._root = self._without(self._root, known[0])
        return known is not None

    def walk(self, may: Callable[[SumT], bool]) -> Iterator[tuple[Any, ItemT]]:
        """Yield what fits, in order, with its key; nothing may be changed meanwhile.

        Args:
            may: Whether anything of a sum may fit: of the sum of a branch, and of each item's own.
        """
        above, node = list[_Node[ItemT, SumT]](), self._root
        while True:
            while node is not None:
                self.looks += 1
                if not may(node.sum):
                    break
                above.append(node)
                node = node.left
            if not above:
                return
            node = above.pop()
            if may(node.own):
                yield node.key, node.item
            node = node.right

    def _split(
        self, node: _Node[ItemT, SumT] | None, key: Any
    ) -> tuple[_Node[ItemT, SumT] | None, _Node[ItemT, SumT] | None]:
        if node is None:
            return None, None
        self.looks += 1
        if node.key < key:
            middle, after = self._split(node.right, key)
            node.right = middle
            return self._told(node), after
        before, middle = self._split(node.left, key)
        node.left = middle
        return before, self._told(node)

    def _merge(
        self, left: _Node[ItemT, SumT] | None, right: _Node[ItemT, SumT] | None
    ) -> _Node[ItemT, SumT] | None:
        if left is None or right is None:
            return left or right
        self.looks += 1
        if left.weight > right.weight:
            left.right = self._merge(left.right, right)
            return self._told(left)
        right.left = self._merge(left, right.left)
        return self._told(right)

    def _without(self, node: _Node[ItemT, SumT] | None, key: Any) -> _Node[ItemT, SumT] | None:
        if node is None:
            return None
        self.looks += 1
        if node.key == key:
            return self._merge(node.left, node.right)
        if key < node.key:
            node.left = self._without(node.left, key)
        else:
            node.right = self._without(node.right, key)
        return self._told(node)

    def _told(self, node: _Node[ItemT, SumT]) -> _Node[ItemT, SumT]:
        """Sum up anew what is below a node, after a change there."""
        found = node.own
        if node.left is not None:
            found = self._add(found, node.left.sum)
        if node.right is not None:
            found = self._add(found, node.right.sum)
        node.sum = found
        return node
