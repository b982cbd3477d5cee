"""The pool keeps its own orders in markets: signed when they are missing, shown while they hold.

Each look reads what was bought and what the owner's stake is, and plans anew
(``domain.orders.for_sale``): nothing but the signed orders is remembered, so a restart, or a
standby that takes over, goes on from the journal and the chain. What was signed is durable before
a market sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final, NoReturn, Protocol

import structlog

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import ChainUnreachable, OutOfGas, Reverted
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.orders.for_sale import (
    OrderForSale,
    PoolSaleTerms,
    SalePlan,
    SaleVerdict,
    ToSign,
    Ware,
    plan_sale,
)
from poolhand.domain.orders.model import CloseOrder, Salt, Signed, WorkerpoolOrder
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds, Wei
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import Signer
from poolhand.scheduler.market_stall import MarketStall
from poolhand.scheduler.sale_book import SaleBook

PAUSE_BETWEEN_SALE_LOOKS: Final = Seconds(2)
"""Block time between two looks."""
TRUST_SETTLES_AFTER: Final = Seconds(5)
"""Block time for which the workers reach the same trust before an order is signed for it."""
STOPPING: Final = 5.0
"""Seconds for taking orders out of the markets at the stop."""
log = structlog.get_logger()


class OnOffer(Protocol):
    """What the pool could sell: ``scheduler.on_offer``."""

    async def terms(self, stake: NanoRlc, now: UnixSeconds) -> PoolSaleTerms:
        """Return what could be sold now, with so much free stake; raises ChainUnreachable."""


class MarketSale:
    """Keeps the pool for sale.

    Args:
        hub: Tells what was bought, and the owner's stake.
        owner: Signs.
        sender: Closes orders on chain.
        reserve: What must be left of the gas for that.
        workerpool: The pool.
        domain: Of orders on the chain's hub.
        book: What was signed.
        stalls: The markets; none: nothing is signed.
        on_offer: Says what could be sold now.
        salt: Makes one, for an order with a tag.
        outage: Told when the chain is out of reach.
        fence: Asked before an order is signed.
    """

    def __init__(
        self,
        hub: Hub,
        owner: Signer,
        sender: TransactionSender,
        reserve: Callable[[], Wei],
        workerpool: Address,
        domain: Domain,
        book: SaleBook,
        stalls: Sequence[MarketStall],
        on_offer: OnOffer,
        salt: Callable[[Tag], Salt],
        outage: OutageLog,
        boundary: FaultBoundary,
        fence: Fence = UNFENCED,
    ) -> None:
        self._hub, self._owner, self._sender, self._reserve = hub, owner, sender, reserve
        self._pool, self._domain, self._on_offer = workerpool, domain, on_offer
        self._salt, self._outage, self._boundary = salt, outage, boundary
        self._fence = fence
        self.book, self.stalls = book, tuple(stalls)
        self.plan = SalePlan({})
        self._looked, self._leaving = UnixSeconds(0), False
        self._trust, self._trust_since = dict[Ware, Trust](), UnixSeconds(0)
        self._closing: dict[OrderHash, asyncio.Task[None]] = {}
        self._stopped = False
        self._unclosed = OutageLog(
            "order_still_valid",
            "orders_closed",
            acts="owner of the pool",
            next_step="it is out of the markets, and closed on chain as soon as that goes",
        )

    # ------------------------------------------------------------------- what the stalls ask for

    @property
    def shown(self) -> Mapping[OrderHash, OrderForSale]:
        """The orders to be shown in markets."""
        if self._stopped:
            return {}
        return {
            each.order_hash: each
            for each in self.book.orders
            if self.verdict(each.order_hash).why is None
        }

    @property
    def is_leaving(self) -> bool:
        """Whether the pool is to end, as it stood when it was looked last."""
        return self._leaving

    def is_own(self, name: OrderHash) -> bool:
        """Whether this program signed an order, in this run or an earlier one."""
        return self.book.find(name) is not None

    @property
    def shown_now(self) -> int:
        """How many of the pool's own orders markets show, as far as is known, each counted once."""
        listed = frozenset[OrderHash]().union(*(each.listed for each in self.stalls))
        return sum(self.is_own(name) for name in listed)

    @property
    def valid(self) -> int:
        """How many orders could be bought with on chain, by whoever has them."""
        return sum(bool(each.remaining) for each in self.book.orders)

    def verdict(self, name: OrderHash) -> SaleVerdict:
        """Return what is decided about an order; one that was not looked at yet is not shown."""
        return self.plan.verdicts.get(name, SaleVerdict("the chain was not read yet"))

    # -------------------------------------------------------------------------------- looking

    async def keep(self, watcher: Watcher) -> None:
        """Keep the markets as they should be, until cancelled.

        Without a market nothing is signed, and what was signed before is looked after.
        """
        if not self.stalls and not self.book.orders:
            return
        async with asyncio.TaskGroup() as tasks:
            for stall in self.stalls:
                tasks.create_task(self._keep_stall(stall))
            async with aclosing(watcher.heads()) as heads:  # type: ignore[type-var]
                async for head in heads:
                    if head.timestamp >= self._looked + PAUSE_BETWEEN_SALE_LOOKS:
                        self._looked = head.timestamp
                        with self._boundary.around("market sale"):
                            await self.look(head.timestamp)

    async def _keep_stall(self, stall: MarketStall) -> NoReturn:
        await stall.keep(self)

    async def look(self, now: UnixSeconds) -> None:
        """Look at the chain, sign what is missing, and have markets and chain follow."""
        owner = self._owner.address
        try:
            used = await self._hub.consumed([each.order_hash for each in self.book.orders])
            account = (await self._hub.accounts([owner]))[owner]
            terms = await self._on_offer.terms(account.stake, now)
        except ChainUnreachable as fault:
            self._outage.tell(fault)
            return
        self._outage.over()
        before = self.shown.keys(), self._leaving
        self._leaving = terms.ending is not None
        self.book.seen(used.found, now)
        self.plan = plan_sale(self.book.orders, terms)
        if terms.trust != self._trust:
            self._trust, self._trust_since = dict(terms.trust), now
        await self._sign(now)
        self._close()
        if (self.shown.keys(), self._leaving) != before:
            for stall in self.stalls:
                stall.look_soon()

    # -------------------------------------------------------------------------- signing, closing

    async def _sign(self, now: UnixSeconds) -> None:
        """Sign what is missing, once the workers' reach has settled: many may just be coming."""
        if not self.stalls or not self.plan.sign or now < self._trust_since + TRUST_SETTLES_AFTER:
            return
        self._fence.check()
        made = [self._made(each) for each in self.plan.sign]
        for signed in made:
            self.book.add(signed, now)
        await self.book.durable()
        new = {each.order_hash: SaleVerdict() for each in self.book.orders[-len(made) :]}
        self.plan = SalePlan({**self.plan.verdicts, **new}, (), self.plan.lacks)
        for signed in made:
            order = signed.order
            log.info(
                "order_for_sale",
                category=order.category,
                price=order.price,
                trust=int(order.trust),
                tag=",".join(order.tag.names),
                volume=order.volume,
            )

    def _made(self, wanted: ToSign) -> Signed[WorkerpoolOrder]:
        order = WorkerpoolOrder(
            workerpool=self._pool,
            price=wanted.price,
            volume=wanted.volume,
            tag=wanted.tag,
            category=wanted.category,
            trust=wanted.trust,
            app_restrict=ZERO_ADDRESS,
            dataset_restrict=ZERO_ADDRESS,
            requester_restrict=ZERO_ADDRESS,
            salt=self._salt(wanted.tag),
        )
        return Signed(order, self._owner.sign_order(self._domain, order))

    def _close(self) -> None:
        """Close on chain what must never be bought again; what could not be paid is tried anew."""
        for name, verdict in self.plan.verdicts.items():
            order = self.book.find(name)
            if verdict.closes and order is not None and name not in self._closing:
                closing = asyncio.create_task(self._send_close(order, verdict.why or ""))
                self._closing[name] = closing
                closing.add_done_callback(lambda _, name=name: self._closing.pop(name, None))  # type: ignore[misc]

    async def _send_close(self, order: OrderForSale, why: str) -> None:
        name = order.order_hash
        with self._boundary.around("closing an order", order=str(name)):
            self._fence.check()
            try:
                call = CloseOrder(order.signed.order)
                receipt = await self._sender.send(f"close:{name}", call, self._reserve())
            except (OutOfGas, ChainUnreachable, Reverted) as fault:
                self._unclosed.tell(fault, order=str(name))
                return
            self._unclosed.over()
            log.info("order_closed", order=str(name), why=why, tx=str(receipt.tx_hash))

    # ------------------------------------------------------------------------------- stopping

    async def stop(self) -> None:
        """Take every order out of the markets; on chain they stay valid, and a restart shows them.

        Markets that do not answer soon are left: the pool works off what is bought meanwhile when
        it is back.
        """
        self._stopped = True
        brings = asyncio.gather(*(each.bring(self) for each in self.stalls), return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(brings, STOPPING)
