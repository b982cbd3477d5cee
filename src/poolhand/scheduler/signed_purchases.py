"""Purchases that requesters only sign: looked at, sent, and followed until a block has them.

The match and the initialization of the first tasks leave together, so that they stand in one block
and workers begin with its news. The deal's name is known before: it names the purpose, which the
sender has on disk before anybody sees it, so nothing is sent twice, whoever asks how often and
whatever crashes; a task whose initialization was lost is initialized as any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import ChainUnreachable, OutOfGas, Refused, Reverted
from poolhand.domain.ids import DealId, OrderHash, TxHash
from poolhand.domain.onchain import Head
from poolhand.domain.orders.matches_under_way import MatchTakes
from poolhand.domain.orders.matching import Match
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.orders.signed_purchase import (
    PurchaseUnfit,
    check_pays,
    check_signed,
    deal_of,
    matched_whole,
)
from poolhand.domain.packing import GasPerTask, room
from poolhand.domain.units import UnixSeconds, Wei
from poolhand.ports.chain import FollowUp, PostingSender
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.preflight import Asked, Preflight
from poolhand.scheduler.pricing import PoolOutOfGas, Pricing
from poolhand.scheduler.purchases_under_way import (
    TASK_GAS,
    PurchasesUnderWay,
    first_tasks,
    match_purpose,
)
from poolhand.settings.pool import PoolSettings

log = structlog.get_logger()


class SendsForNobody(Refused):
    """The pool sends nobody's purchases."""

    http_status = 403


class SignedPurchases:
    """Sends purchases for requesters of one pool.

    Args:
        settings: The pool owner's.
        sender: The owner's wallet.
        domain: Under which orders are signed.
        reads: Of the chain, for no more than its provider bears.
        pricing: Says what would be sold.
        preflight: Counts callers.
        gas_budget: Says what must be left.
        under_way: Counts and follows what is sent.
        now: The chain's time.
        head: Returns the newest block.
    """

    def __init__(
        self,
        settings: PoolSettings,
        sender: PostingSender,
        domain: Domain,
        reads: OrderReads,
        pricing: Pricing,
        preflight: Preflight,
        gas_budget: GasBudget,
        under_way: PurchasesUnderWay,
        now: Callable[[], UnixSeconds],
        head: Callable[[], Head | None],
    ) -> None:
        self._settings, self._sender, self._domain = settings, sender, domain
        self._reads, self._pricing, self._preflight = reads, pricing, preflight
        self._gas_budget, self._now, self._head = gas_budget, now, head
        self._under_way = under_way
        self._asked: dict[DealId, asyncio.Task[TxHash | None]] = {}

    def is_under_way(self, name: DealId, request: OrderHash) -> bool:
        """Whether a deal was sent that no block has yet, or another one of the same request."""
        return name in self._asked or self._under_way.matches.uses(request)

    async def hand_in(
        self, orders: MatchOrders, caller: str, used: int = 0
    ) -> tuple[DealId, TxHash | None]:
        """Send a purchase, once; returns when its transactions are out.

        Args:
            orders: Signed and complete.
            caller: From where it comes.
            used: How many of the request's tasks were bought before: the deal's name has it.

        Returns:
            The deal that it makes, and the transaction; None where the chain has the deal.

        Raises:
            SendsForNobody, OtherPoolsOrder, NotSignedByParty, LongParams: Never sent here.
            PurchaseUnfit, SplitRequest, FeeMissing: Not with these orders.
            TooManyPurchases, TooManyOrders: Not so soon.
            NotSold, PoolOutOfGas, NoWorkerForIt, …: See ``Pricing.order``.
            ChainUnreachable: Nothing was sent.
        """
        if not self._settings.sends_purchases:
            raise SendsForNobody("this pool sends no purchases: send matchOrders yourself")
        check_signed(orders, self._domain, self._settings.workerpool, self._sender.address)
        name = deal_of(orders, self._domain, used)
        asked = self._asked.get(name)
        if asked is None:
            taken = self._take(name, orders, caller, used)
            asked = self._asked[name] = asyncio.create_task(taken)
            asked.add_done_callback(partial(self._answered, name))
        return name, await asyncio.shield(asked)

    def _answered(self, name: DealId, asked: asyncio.Task[TxHash | None]) -> None:
        self._asked.pop(name, None)
        if not asked.cancelled():
            asked.exception()  # whoever waits was told, if anybody does

    async def _take(
        self, name: DealId, orders: MatchOrders, caller: str, used: int
    ) -> TxHash | None:
        purpose = match_purpose(name)
        if (known := await self._sender.known(purpose)) is not None:
            return known
        self._under_way.matches.end(name)  # the sender knows of none: it came to nothing
        self._preflight.count(caller)
        if await self._reads.deal(name) is not None:
            return self._under_way.made(name)
        terms = await self._admitted(orders, caller, used)
        tx = await self._post(purpose, orders, terms)
        log.info("purchase_sent", deal_id=str(name), tx=str(tx), tasks=terms.volume)
        return tx

    async def _admitted(self, orders: MatchOrders, caller: str, used: int) -> Match:
        """Return the deal that a purchase makes, if it may be sent now."""
        request, order = orders.request.order, orders.workerpool.order
        self._under_way.quota.check(request.requester, self._now())
        terms = await self._terms(orders, used)
        asked = Asked(
            category=order.category,
            trust=terms.trust,
            tag=terms.tag,
            volume=terms.volume,
            requester=request.requester,
            app=request.app,
            params=request.params,
            caller=caller,
            by_signature=True,
        )
        await self._pricing.admit(asked)
        fee = self._settings.purchase_fee
        check_pays(orders, self._pricing.prices[order.category], fee)
        return await self._terms(orders, used)  # others may have been sent meanwhile

    async def _terms(self, orders: MatchOrders, used: int) -> Match:
        facts = await self._reads.facts(orders, self._domain)
        return matched_whole(orders, self._under_way.matches.seen(facts), used)

    async def _post(self, purpose: str, orders: MatchOrders, terms: Match) -> TxHash:
        """Hand a match and the first initialization over; what they take is counted before."""
        first, reserve = self._first(terms), self._gas_budget.reserve_with(terms.volume)
        takes = MatchTakes.of(orders, terms, self._domain, self._sender.address)
        begun = self._under_way.begin(takes, first, terms.bot_first)
        follow_up = first_tasks(terms.deal_id, first, terms.bot_first)
        try:
            await self._under_way.durable()
            tx = await self._handed_over(purpose, orders, follow_up, reserve)
        except BaseException as fault:
            self._under_way.unsent(terms.deal_id, fault)
            raise
        self._under_way.posted(begun, tx)
        return tx

    def _first(self, terms: Match) -> int:
        """Return how many tasks one transaction initializes."""
        head = self._head()
        space = room(head.gas_limit if head else None, self._settings.batch_gas_share)
        return min(terms.volume, max(1, GasPerTask(TASK_GAS).tasks(space)))

    async def _handed_over(
        self, purpose: str, orders: MatchOrders, first: FollowUp, reserve: Wei
    ) -> TxHash:
        try:
            return await self._sender.post(purpose, orders, [first], reserve)
        except ChainUnreachable:
            if (known := await self._sender.known(purpose)) is None:
                raise
            return known  # it is on disk, and broadcast again until a node has it
        except OutOfGas as fault:
            raise PoolOutOfGas(f"this pool sends nothing now: {fault}") from fault
        except Reverted as fault:
            raise PurchaseUnfit(f"the contracts refuse the purchase: {fault}") from fault
