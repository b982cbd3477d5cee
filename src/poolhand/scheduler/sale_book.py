"""The orders that a pool signed for markets, over restarts: written down before anybody sees them.

An order is forgotten once it has been used up, or closed on chain, for so long that no
re-organisation brings it back: until then it counts as promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from poolhand.domain.eip712 import Domain
from poolhand.domain.ids import OrderHash
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.for_sale import OrderForSale
from poolhand.domain.orders.model import Signed, WorkerpoolOrder
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.journal import EventLog
from poolhand.wire.order_json import decode_order, encode_order

CLOSED_ORDER_KEPT_FOR: Final = Seconds(600)
"""How long an order is remembered that is used up or closed."""


class SaleBook:
    """The orders, in the order in which they were signed.

    Args:
        journal: One stream for each; None forgets at a restart.
        domain: Of orders on the chain's hub.
    """

    def __init__(self, journal: EventLog | None, domain: Domain) -> None:
        self._journal, self._domain = journal, domain
        self._known: dict[OrderHash, OrderForSale] = {}
        self._ended: dict[OrderHash, UnixSeconds] = {}

    def recover(self) -> None:
        """Read what was written down."""
        for _, record in self._journal.read() if self._journal else ():
            self._put(decode_order(WorkerpoolOrder, record["order"]), record["since"])

    @property
    def orders(self) -> tuple[OrderForSale, ...]:
        """All that are remembered."""
        return tuple(self._known.values())

    def find(self, name: OrderHash) -> OrderForSale | None:
        """Return an order."""
        return self._known.get(name)

    def add(self, signed: Signed[WorkerpoolOrder], since: UnixSeconds) -> None:
        """Remember an order; it is durable once ``durable`` returns."""
        name = self._put(signed, since)
        if self._journal is not None:
            self._journal.add(str(name), {"order": encode_order(signed), "since": since})

    async def durable(self) -> None:
        """Wait until all that was added would survive the end of the program."""
        if self._journal is not None:
            await self._journal.durable()

    def seen(self, used: Mapping[OrderHash, int], now: UnixSeconds) -> None:
        """Take note of how much of orders is used up on chain."""
        for name, count in used.items():
            known = self._known.get(name)
            if known is None:
                continue
            self._known[name] = known = replace(known, used=count)
            if known.remaining:
                self._ended.pop(name, None)
            elif now >= self._ended.setdefault(name, now) + CLOSED_ORDER_KEPT_FOR:
                self._forget(name)

    def _put(self, signed: Signed[WorkerpoolOrder], since: int) -> OrderHash:
        name = order_hash(self._domain, signed.order)
        self._known[name] = OrderForSale(name, signed, UnixSeconds(since))
        return name

    def _forget(self, name: OrderHash) -> None:
        del self._known[name], self._ended[name]
        if self._journal is not None:
            self._journal.forget(str(name))
