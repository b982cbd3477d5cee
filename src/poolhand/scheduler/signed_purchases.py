"""Purchases that requesters only sign: looked at, sent, and followed until a block has them.

The match and the initialization of the first tasks leave together, so that they stand in one block
and workers begin with its news. The deal's name is known before: it names the purpose, which the
sender has on disk before anybody sees it, so nothing is sent twice, whoever asks how often and
whatever crashes; a task whose initialization was lost is initialized as any other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final

import structlog

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import (
    ChainUnreachable,
    EndsProgram,
    OutOfGas,
    PoolhandError,
    Refused,
    Reverted,
)
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address, DealId, TaskId, TxHash
from poolhand.domain.onchain import Head, Initialize, Receipt
from poolhand.domain.orders.matches_under_way import MatchesUnderWay, SendingQuota
from poolhand.domain.orders.matching import Match
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.orders.signed_purchase import (
    PurchaseUnfit,
    check_pays,
    check_signed,
    deal_of,
    matched_whole,
)
from poolhand.domain.packing import OVERHEAD, GasPerTask, room
from poolhand.domain.task.machine import Mined
from poolhand.domain.task.model import Transaction
from poolhand.domain.units import Gas, UnixSeconds, Wei
from poolhand.ports.chain import FollowUp, PostingSender
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.preflight import Asked, Preflight
from poolhand.scheduler.pricing import PoolOutOfGas, Pricing
from poolhand.scheduler.transactions import initialize_purpose
from poolhand.settings.pool import PoolSettings

TASK_GAS: Final = Gas(270_000)
"""Limit for the initialization of one task, half as much again as it takes (PoCo 6.1)."""
MOST_UNTOLD: Final = 10_000
"""Tasks whose beginning is mined and whose deal was not read yet."""
log = structlog.get_logger()


class SendsForNobody(Refused):
    """The pool sends nobody's purchases."""

    http_status = 403


class SignedPurchases:
    """Sends purchases for requesters of one pool.

    Args:
        settings: The pool owner's.
        engine: Told what the initialization of its tasks took.
        sender: The owner's wallet.
        domain: Under which orders are signed.
        reads: Of the chain, for no more than its provider bears.
        pricing: Says what would be sold.
        preflight: Counts callers.
        gas_budget: Told what was spent; says what must be left.
        now: The chain's time.
        head: Returns the newest block.
    """

    def __init__(
        self,
        settings: PoolSettings,
        engine: Engine,
        sender: PostingSender,
        domain: Domain,
        reads: OrderReads,
        pricing: Pricing,
        preflight: Preflight,
        gas_budget: GasBudget,
        now: Callable[[], UnixSeconds],
        head: Callable[[], Head | None],
    ) -> None:
        self._settings, self._sender, self._domain = settings, sender, domain
        self._reads, self._pricing, self._preflight = reads, pricing, preflight
        self._gas_budget, self._now, self._head = gas_budget, now, head
        self._engine, self._boundary = engine, engine.boundary
        self._quota = SendingQuota(settings.purchases_per_hour, settings.all_purchases_per_hour)
        self._under_way = MatchesUnderWay(domain)
        self._asked: dict[DealId, asyncio.Task[TxHash | None]] = {}
        self._sent: asyncio.Queue[tuple[DealId, Address, FollowUp]] = asyncio.Queue()
        self._untold: OrderedDict[TaskId, Transaction] = OrderedDict()
        self._begun: asyncio.Queue[TaskId] = asyncio.Queue()
        engine.changed.connect(self._changed)

    async def hand_in(self, orders: MatchOrders, caller: str) -> tuple[DealId, TxHash | None]:
        """Send a purchase, once; returns when its transactions are out.

        Args:
            orders: Signed and complete.
            caller: From where it comes.

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
        name = deal_of(orders, self._domain)
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = asyncio.create_task(self._take(name, orders, caller))
            asked.add_done_callback(partial(self._answered, name))
        return name, await asyncio.shield(asked)

    def _answered(self, name: DealId, asked: asyncio.Task[TxHash | None]) -> None:
        self._asked.pop(name, None)
        if not asked.cancelled():
            asked.exception()  # whoever waits was told, if anybody does

    async def _take(self, name: DealId, orders: MatchOrders, caller: str) -> TxHash | None:
        purpose = f"match:{name}"
        if (known := await self._sender.known(purpose)) is not None:
            return known
        self._preflight.count(caller)
        if await self._reads.deal(name) is not None:
            return None
        terms = await self._admitted(orders, caller)
        tx = await self._post(purpose, orders, terms)
        log.info("purchase_sent", deal_id=str(name), tx=str(tx), tasks=terms.volume)
        return tx

    async def _admitted(self, orders: MatchOrders, caller: str) -> Match:
        """Return the deal that a purchase makes, if it may be sent now."""
        request, order = orders.request.order, orders.workerpool.order
        self._quota.check(request.requester, self._now())
        terms = await self._terms(orders)
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
        return await self._terms(orders)  # others may have been sent meanwhile

    async def _terms(self, orders: MatchOrders) -> Match:
        facts = await self._reads.facts(orders, self._domain)
        return matched_whole(orders, self._under_way.seen(facts))

    async def _post(self, purpose: str, orders: MatchOrders, terms: Match) -> TxHash:
        """Hand a match and the first initialization over; what they take is counted before."""
        name, requester = terms.deal_id, orders.request.order.requester
        first, reserve = self._first_tasks(terms), self._gas_budget.reserve_with(terms.volume)
        self._under_way.begin(orders, terms, self._sender.address)
        try:
            self._quota.check(requester, self._now())
            self._quota.count(requester, self._now())
            tx = await self._handed_over(purpose, orders, first, reserve)
        except BaseException:
            self._under_way.end(name)
            raise
        self._sent.put_nowait((name, requester, first))
        return tx

    def _first_tasks(self, terms: Match) -> FollowUp:
        """Return the initialization of as many tasks as one transaction takes."""
        head = self._head()
        space = room(head.gas_limit if head else None, self._settings.batch_gas_share)
        most = GasPerTask(TASK_GAS).tasks(space)
        indices = list(islice(range(terms.bot_first, terms.bot_first + terms.volume), most))
        names = tuple(task_id(terms.deal_id, index) for index in indices)
        call = Initialize(tuple((terms.deal_id, index) for index in indices))
        gas = Gas(OVERHEAD + TASK_GAS * len(indices))
        return FollowUp(initialize_purpose(names), call, gas)

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

    async def keep_following(self) -> None:
        """Follow what was sent until a block has it, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._follow(*await self._sent.get()))

    async def _follow(self, name: DealId, requester: Address, first: FollowUp) -> None:
        try:
            with self._boundary.around("purchase", deal_id=str(name)):
                match = await self._outcome(f"match:{name}")
                if match is None:
                    self._quota.failed(requester, self._now())
                    log.warning("purchase_failed", deal_id=str(name), requester=str(requester))
                begun = await self._outcome(first.purpose)
                if begun is not None:
                    self._note(first, begun)
        finally:
            self._under_way.end(name)

    def _note(self, first: FollowUp, receipt: Receipt) -> None:
        """Note what the beginning of tasks took, for when the engine has them."""
        paid = receipt.gas_used, receipt.gas_price
        mined = Transaction("initialize", receipt.tx_hash, receipt.block, *paid)
        assert isinstance(first.call, Initialize)
        for name in [task_id(deal_id, index) for deal_id, index in first.call.tasks]:
            self._untold[name] = mined
            self._changed(name)
        while len(self._untold) > MOST_UNTOLD:
            self._untold.popitem(last=False)

    def _changed(self, name: TaskId) -> None:
        if name in self._untold and name in self._engine.tasks:
            self._begun.put_nowait(name)

    async def keep_telling(self) -> None:
        """Tell the engine what the beginning of its tasks took, for ever."""
        while True:
            name = await self._begun.get()
            mined, task = self._untold.pop(name, None), self._engine.tasks.get(name)
            if mined is not None and task is not None:
                self._engine.feed(name, Mined(task.now, mined))

    async def _outcome(self, purpose: str) -> Receipt | None:
        """Wait for a transaction's end and count what it took; None where it came to nothing."""
        try:
            receipt = await self._sender.outcome(purpose)
        except EndsProgram:
            raise
        except PoolhandError as fault:
            log.warning("transaction_lost", purpose=purpose, cause=str(fault))
            return None
        if receipt is not None:
            self._gas_budget.paid(receipt)
        return receipt if receipt is not None and receipt.succeeded else None
