"""A budget: what may be spent in all, with what may have been spent counted until it is known."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from poolhand.domain.units import NanoRlc


@dataclass(slots=True)
class SpendingBudget:
    """RLC that may be spent in all.

    A purchase that was begun counts from then on. Where nobody knows whether it was made, it counts
    until the same one is begun again and found made or not.

    Attributes:
        limit: In all (nRLC); None: there is none.
        spent: By purchases that were made (nRLC).
    """

    limit: NanoRlc | None = None
    spent: NanoRlc = NanoRlc(0)
    _begun: dict[Hashable, NanoRlc] = field(default_factory=dict)

    @property
    def begun(self) -> NanoRlc:
        """What purchases cost of which it is not known whether they were made (nRLC)."""
        return NanoRlc(sum(self._begun.values()))

    @property
    def left(self) -> NanoRlc | None:
        """What may still be spent (nRLC); None: any amount."""
        if self.limit is None:
            return None
        return NanoRlc(max(0, self.limit - self.spent - self.begun))

    def left_for(self, name: Hashable, most: NanoRlc | None = None) -> NanoRlc | None:
        """Return what one purchase may cost (nRLC); None: any amount.

        Args:
            name: Of the purchase: what it counts with already is its own.
            most: Its own limit.
        """
        if self.limit is None:
            return most
        others = self.begun - self._begun.get(name, 0)
        mine = NanoRlc(max(0, self.limit - self.spent - others))
        return mine if most is None else min(mine, most)

    def begin(self, name: Hashable, price: NanoRlc) -> None:
        """Count a purchase that may be made from now on, for all its tasks (nRLC)."""
        self._begun[name] = max(price, self._begun.get(name, price))

    def made(self, name: Hashable, price: NanoRlc) -> None:
        """Count a purchase that was made, for what it cost (nRLC)."""
        self._begun.pop(name, None)
        self.spent = NanoRlc(self.spent + price)

    def not_made(self, name: Hashable) -> None:
        """Forget a purchase that surely was not made."""
        self._begun.pop(name, None)
