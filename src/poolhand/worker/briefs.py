"""The deals that a worker has tasks of, each mostly read once."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import aclosing
from typing import Final

from poolhand.domain.deal import Dataset
from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.ids import Address, DealId
from poolhand.domain.replicate.machine import Offer
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import Hub, Watcher
from poolhand.worker.brief import Brief, DealMissing, read_brief
from poolhand.worker.task_views import MOST_HEADS_BEHIND

MOST_BRIEFS: Final = 64
"""Deals whose briefs are kept, those asked for last; one that is asked for again is read again."""


class Briefs:
    """Reads briefs, and keeps some.

    Args:
        hub: Read.
        watcher: Tells when to look again for a deal that is missing.
        retry: Waits while the chain does not answer.
    """

    def __init__(self, hub: Hub, watcher: Watcher, retry: ChainRetry) -> None:
        self._hub, self._watcher, self._retry = hub, watcher, retry
        self._kept: OrderedDict[DealId, Brief] = OrderedDict()

    async def of(self, offer: Offer) -> Brief:
        """Return the brief of an offer's deal.

        A node may lag behind the scheduler's: a deal that is missing is looked for in a few more
        heads.

        Raises:
            BadOffer: The chain knows no such deal, or not what it names.
        """
        known = self._kept.pop(offer.deal_id, None) or await self._read(offer)
        self._kept[offer.deal_id] = known
        if len(self._kept) > MOST_BRIEFS:
            self._kept.popitem(last=False)
        return known

    async def dataset(self, address: Address) -> Dataset | None:
        """Return a dataset that a bulk names; None where there is none."""
        return await self._retry.ask(lambda: self._hub.dataset(address))

    async def _read(self, offer: Offer) -> Brief:
        seen = 0
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                try:
                    return await self._retry.ask(lambda: read_brief(self._hub, offer))
                except DealMissing:
                    seen += 1
                    if seen > MOST_HEADS_BEHIND:
                        raise
        raise BrokenPrecondition("the watcher of heads has ended")
