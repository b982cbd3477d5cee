"""Requests that were published in a market: those that name this pool, or fit it, are served.

A request is bought as one that its requester hands in with all its orders: the pool signs its own
order for it, takes the cheapest others that fit from the market, and hands all four in to itself
(``scheduler.signed_purchases``). So quotas, pre-flight and what is promised are the same, the deal
is one purpose of the wallet's sender, and nothing is sent twice, whatever crashes. Nothing is
signed before all of it fits. Requests that name no pool are left to matchers for some blocks
(``domain.market.waits``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NoReturn

import structlog

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import (
    ChainUnreachable,
    EndsProgram,
    Malformed,
    Refused,
    Unavailable,
)
from poolhand.domain.hashes import deal_id
from poolhand.domain.market.book import BookOrder
from poolhand.domain.market.filters import BookFilter, usable_by
from poolhand.domain.market.requests import app_filter, dataset_filter
from poolhand.domain.market.waits import pools_wait
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import Head
from poolhand.domain.orders.choosing import Bundle, Candidate, Shelf, Want, fitting
from poolhand.domain.orders.matching import Facts
from poolhand.domain.orders.model import RequestOrder, Signed
from poolhand.domain.orders.signed_purchase import PurchaseUnfit
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Clock
from poolhand.ports.lead import Fence
from poolhand.scheduler.confidential_sale import ConfidentialSale
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.preflight import Asked
from poolhand.scheduler.pricing import Pricing
from poolhand.scheduler.signed_purchases import SignedPurchases
from poolhand.settings.pool import PoolSettings
from poolhand.transport.market_client import MarketClient
from poolhand.transport.market_faults import MarketDown
from poolhand.transport.open_requests import OpenRequests, cheapest

PAUSE_BETWEEN_REQUEST_LOOKS: Final = 2
"""Seconds between two looks, and one more for each list of orders that was asked for: a market
limits how often one client asks, and the pool has to publish, too."""
REQUESTS_PER_LOOK: Final = 50
"""Requests of one look: those that pay most, or as many others."""
MOST_ASKED: Final = 6
"""Lists of apps and datasets after which a look asks for no more."""
MOST_TRIED: Final = 3
"""Combinations of orders that are tried for one request: a market may be behind the chain."""
GPU_TAG: Final = Tag.of(["gpu"])
"""What requests may demand, beside enclaves, that are looked at: a pool sells no more."""
log = structlog.get_logger()


class MarketRequests:
    """Serves the requests of one market.

    Args:
        settings: The pool owner's.
        market: Whose requests.
        domain: Under which orders are signed.
        reads: Of the chain.
        pricing: Says what would be sold, and signs the pool's order.
        confidential: Says which confidential tasks are taken.
        purchases: Takes what fits, as from a requester.
        head: Returns the newest block.
        clock: Lets time pass.
        boundary: Takes what the work on one request raises and nobody expected.
        fence: Asked before an order is signed.
    """

    def __init__(
        self,
        settings: PoolSettings,
        market: MarketClient,
        domain: Domain,
        reads: OrderReads,
        pricing: Pricing,
        confidential: ConfidentialSale,
        purchases: SignedPurchases,
        head: Callable[[], Head | None],
        clock: Clock,
        boundary: FaultBoundary,
        fence: Fence,
    ) -> None:
        self._pool, self._market, self._domain = settings.workerpool, market, domain
        self._highest_trust, self._reads, self._pricing = settings.highest_trust, reads, pricing
        self._confidential = confidential
        self._purchases, self._head, self._clock = purchases, head, clock
        self._boundary, self._fence = boundary, fence
        self._requests = OpenRequests(market, REQUESTS_PER_LOOK)
        self._asked = 0
        self._outage = OutageLog(
            "requests_unserved",
            "requests_served",
            market=market.url,
            acts="operator of the market",
            next_step="bring it back; what is handed in to the pool is sent meanwhile",
        )

    async def keep(self) -> NoReturn:
        """Serve for ever, whatever fails meanwhile."""
        while True:
            with self._boundary.around("market requests", market=self._market.url):
                await self._look_and_tell()
            await self._clock.sleep(PAUSE_BETWEEN_REQUEST_LOOKS + self._asked)

    async def _look_and_tell(self) -> None:
        try:
            await self.look()
        except EndsProgram:
            raise
        except (Unavailable, Malformed, Refused) as fault:
            self._outage.tell(fault)
        else:
            self._outage.over()

    async def look(self) -> int:
        """Look once at open requests; returns how many were sent.

        Raises:
            MarketDown, ChainUnreachable: Nothing more can be done now.
        """
        self._asked, sent, head = 0, 0, self._head()
        if head is None or self._pricing.why_nothing is not None:
            return 0
        framework = await self._confidential.framework()
        wanted = BookFilter(
            OrderSort.REQUEST,
            {"workerpool": usable_by(self._pool)},
            max_tag=GPU_TAG if framework is None else GPU_TAG.union(framework.tag),
            max_trust=self._highest_trust,
        )
        for entry in await self._requests.due(wanted, self._clock.steady()):
            if self._asked >= MOST_ASKED:
                break
            if self._accepts_us(entry) and self._has_waited(entry, head):
                sent += await self._serve(entry)
        return sent

    def _accepts_us(self, entry: BookOrder) -> bool:
        """Whether who asks for an enclave has one, or has named this pool, which simulates them."""
        request: Any = entry.order
        is_real = not request.tag.needs_tee or not self._confidential.is_simulated
        return is_real or request.workerpool == self._pool

    def _has_waited(self, entry: BookOrder, head: Head) -> bool:
        request: Any = entry.order
        wait = pools_wait(entry.order_hash, request, self._pool)
        return self._requests.first_seen.has_waited(entry.order_hash, wait, head)

    async def _serve(self, entry: BookOrder) -> bool:
        """Serve one request if that goes; it is looked at again later, until the book drops it."""
        self._requests.backoff.put_off(entry.order_hash, self._clock.steady())
        try:
            return await self._bought(entry)
        except (EndsProgram, ChainUnreachable, MarketDown):
            raise
        except (Unavailable, Refused) as fault:
            log.debug("request_not_served", request=str(entry.order_hash), cause=str(fault))
            return False

    async def _bought(self, entry: BookOrder) -> bool:
        request: Any = entry.order
        assert isinstance(request, RequestOrder)
        used = await self._reads.used(entry.order_hash)
        tasks, name = request.volume - used, deal_id(entry.order_hash, used)
        if tasks <= 0 or self._purchases.is_under_way(name, entry.order_hash):
            return False
        asked = self._as_asked(request, tasks)
        await self._pricing.admit(asked)
        if self._pricing.price(asked) > request.workerpool_max_price:
            return False
        found = await self._bundles(request, asked)
        if not found:
            return False
        self._fence.check()
        own = Candidate(await self._pricing.order(asked), tasks)
        for each in found:
            orders = replace(each, pool=own).orders(Signed(request, entry.sign))
            with suppress(PurchaseUnfit):  # the chain has it otherwise than the market: the next
                await self._purchases.hand_in(orders, self._market.url, used)
                return True
        return False

    def _as_asked(self, request: RequestOrder, tasks: int) -> Asked:
        """Return what the requester would ask this pool for, to hand the purchase in."""
        return Asked(
            category=request.category,
            trust=Trust(max(request.trust, 1)),
            tag=request.tag,
            volume=tasks,
            requester=request.requester,
            app=request.app,
            params=request.params,
            caller=self._market.url,
            by_signature=True,
        )

    async def _bundles(self, request: RequestOrder, asked: Asked) -> list[Bundle]:
        """Return what fits, cheapest first, with the pool's own order as it would be signed."""
        tasks, pool = asked.volume, self._pool
        self._asked += 1 if request.dataset.is_zero else 2
        apps, datasets = await asyncio.gather(
            cheapest(self._market, app_filter(request, tasks, request.tag, pool)),
            cheapest(self._market, dataset_filter(request, tasks, pool)),
        )
        own = Candidate(Signed(self._pricing.unsigned(asked), b""), tasks)
        rules = Facts(self._domain, await self._reads.categories(), None, None, None)
        want = Want(request, tasks, is_signed=True)
        return list(islice(fitting(want, Shelf(apps, datasets, (own,)), rules), MOST_TRIED))
