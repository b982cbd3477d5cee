"""Things ranked by a key that changes: the least is known at once, a change costs O(log n)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Final, Generic, TypeAlias, TypeVar

ItemT = TypeVar("ItemT", bound=Hashable)
RankingKey: TypeAlias = tuple[Any, ...]
"""Of one ranking all have the same shape, so that they can be compared."""

_STALE_ENTRIES: Final = 64
"""Entries that are out of date and need not be cleared away yet."""


class Ranking(Generic[ItemT]):
    """Items by key; of equal keys the one that came first is first.

    Entries of the heap that no longer hold are dropped when they come to its top, or all at once
    when they are more than those that hold: memory stays within twice the items.
    """

    def __init__(self) -> None:
        self._keys: dict[ItemT, tuple[RankingKey, int]] = {}
        self._heap: list[tuple[RankingKey, int, ItemT]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, item: ItemT) -> bool:
        return item in self._keys

    def __iter__(self) -> Iterator[ItemT]:
        """Yield everything, in no order."""
        return iter(self._keys)

    def put(self, item: ItemT, key: RankingKey) -> None:
        """Add an item, or give it another key."""
        known = self._keys.get(item)
        if known is not None and known[0] == key:
            return
        self._count += 1
        self._keys[item] = key, self._count
        heappush(self._heap, (key, self._count, item))
        if len(self._heap) > 2 * len(self._keys) + _STALE_ENTRIES:
            self._heap = [(each, count, it) for it, (each, count) in self._keys.items()]
            heapify(self._heap)

    def drop(self, item: ItemT) -> None:
        """Remove an item; repeatable."""
        self._keys.pop(item, None)
        if not self._keys:
            self._heap.clear()

    def first(self) -> ItemT | None:
        """Return the item of the least key; None when there is none."""
        while self._heap:
            _, count, item = self._heap[0]
            known = self._keys.get(item)
            if known is not None and known[1] == count:
                return item
            heappop(self._heap)
        return None

    def least(self) -> RankingKey | None:
        """Return the least key; None when there is none."""
        item = self.first()
        return None if item is None else self._keys[item][0]

    def due(self, until: RankingKey) -> Iterator[ItemT]:
        """Remove and yield the items whose key is at most ``until``, in order."""
        while (item := self.first()) is not None and self._keys[item][0] <= until:
            self.drop(item)
            yield item
