"""A wallet's nonces: given out in order, without waiting for any node. Pure."""

from __future__ import annotations

from collections.abc import Collection


class Nonces:
    """Gives each transaction of a wallet its place.

    Attributes:
        next: Above all that were given out, or that the chain has.
    """

    def __init__(self) -> None:
        self.next = 0
        self._free: set[int] = set()

    @property
    def gaps(self) -> tuple[int, ...]:
        """Given back while later ones were out, lowest first: what is above them waits for them."""
        return tuple(sorted(self._free))

    def resume(self, known: int, kept: Collection[int]) -> None:
        """Begin where an earlier run ended.

        Args:
            known: Transactions that the node has without a gap, mined or waiting.
            kept: Nonces of those that the journal has.
        """
        self.next = max(known, *(nonce + 1 for nonce in kept), 0)
        self._free = set(range(known, self.next)) - set(kept)

    def take(self) -> int:
        """Give out a nonce: the lowest that nobody has."""
        if self._free:
            lowest = min(self._free)
            self._free.remove(lowest)
            return lowest
        self.next += 1
        return self.next - 1

    def give_back(self, nonce: int) -> None:
        """Take back a nonce whose transaction nobody has."""
        self._free.add(nonce)
        while self.next - 1 in self._free:
            self.next -= 1
            self._free.remove(self.next)

    def passed(self, count: int) -> None:
        """Keep up with a wallet that another program uses, too: the chain has ``count`` of it."""
        self.next = max(self.next, count)
        self._free = {nonce for nonce in self._free if nonce >= count}
