"""Requests that may have lost an order they lived on, and how far they were looked at.

They are looked at in the order of what they pay and then of their hashes, a page at a time. What is
lost meanwhile widens the round and has another one follow: so orders that come and go again and
again cost one round after the other, never one more for each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.needs import needs_of
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import RequestOrder
from poolhand.domain.units import NanoRlc

Reached: TypeAlias = tuple[NanoRlc, OrderHash]
"""A request by what it pays for the thing, and its hash."""


@dataclass(frozen=True, slots=True)
class Loss:
    """An app or dataset that has one order less.

    Attributes:
        sort: Which of the two it is.
        least: What requests pay for it at least, that may have lost the order.
        below: What they pay less than; None: however much.
        reached: The last that this round has looked at; None: it begins.
        again: Whether another round follows.
    """

    sort: OrderSort
    resource: Address
    least: NanoRlc
    below: NanoRlc | None
    reached: Reached | None = None
    again: bool = False

    def joined(self, newer: Loss) -> Loss:
        """Return this loss with one more of the same thing."""
        least, below = min(self.least, newer.least), _higher(self.below, newer.below)
        return replace(self, least=least, below=below, again=self.reached is not None)

    def looked_at(self, last: Reached | None) -> Loss | None:
        """Return what is left to look at after a page; None: nothing.

        Args:
            last: The last of the page; None: there are no more after it.
        """
        if last is not None:
            return replace(self, reached=last)
        return replace(self, reached=None, again=False) if self.again else None


def _higher(one: NanoRlc | None, other: NanoRlc | None) -> NanoRlc | None:
    return None if one is None or other is None else max(one, other)


def reached(request: RequestOrder, sort: OrderSort, name: OrderHash) -> Reached:
    """Return where a request stands among those for its app or its dataset."""
    return next(need.most for need in needs_of(request) if need.sort is sort), name
