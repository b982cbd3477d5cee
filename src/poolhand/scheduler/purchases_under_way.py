"""Purchases that were sent for requesters: counted and followed until a block has them.

What is counted is written down before anything is signed, so that a restart, or a standby that
takes over, counts and follows the same.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from poolhand.domain.deal import Deal
from poolhand.domain.errors import EndsProgram, PoolhandError
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import DealId, TaskId, TxHash
from poolhand.domain.onchain import Initialize, Receipt
from poolhand.domain.orders.matches_under_way import MatchesUnderWay, MatchTakes, SendingQuota
from poolhand.domain.orders.sent_matches import MatchBegun, MatchEnded
from poolhand.domain.packing import OVERHEAD
from poolhand.domain.task.machine import Mined
from poolhand.domain.task.model import Transaction
from poolhand.domain.units import Gas, UnixSeconds
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import FollowUp, PostingSender
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.purchase_log import PurchaseLog
from poolhand.scheduler.transactions import initialize_purpose

TASK_GAS: Final = Gas(270_000)
"""Limit for the initialization of one task, half as much again as it takes (PoCo 6.1)."""
MOST_UNTOLD: Final = 10_000
"""Tasks whose beginning is mined and whose deal was not read yet."""
log = structlog.get_logger()


def match_purpose(name: DealId) -> str:
    """Name the sending of the match that makes a deal."""
    return f"match:{name}"


def first_tasks(name: DealId, count: int, bot_first: int = 0) -> FollowUp:
    """Return the initialization of a deal's first tasks.

    Args:
        name: The deal's.
        count: How many, at least one.
        bot_first: Number of the first one.
    """
    numbers = range(bot_first, bot_first + count)
    call = Initialize(tuple((name, index) for index in numbers))
    names = tuple(task_id(name, index) for index in numbers)
    return FollowUp(initialize_purpose(names), call, Gas(OVERHEAD + TASK_GAS * count))


class PurchasesUnderWay:
    """Counts what was sent, and follows it.

    Args:
        engine: Told what the initialization of its tasks took.
        sender: The owner's wallet.
        gas_budget: Told what was spent.
        quota: Of requesters, and of all.
        memory: Remembers what was sent.
        retry: Asks the chain for as long as it takes.
        now: The chain's time.
        find_deal: Reads a deal from the chain.

    Attributes:
        quota: As given.
        matches: What is under way takes of orders and stakes.
    """

    def __init__(
        self,
        engine: Engine,
        sender: PostingSender,
        gas_budget: GasBudget,
        quota: SendingQuota,
        memory: PurchaseLog,
        retry: ChainRetry,
        now: Callable[[], UnixSeconds],
        find_deal: Callable[[DealId], Awaitable[Deal | None]],
    ) -> None:
        self._find_deal = find_deal
        self._engine, self._boundary, self._sender = engine, engine.boundary, sender
        self._gas_budget, self._retry, self._now = gas_budget, retry, now
        self.quota, self.matches = quota, MatchesUnderWay()
        self._log = memory
        self._sent: asyncio.Queue[MatchBegun] = asyncio.Queue()
        self._untold: OrderedDict[TaskId, Transaction] = OrderedDict()
        self._begun: asyncio.Queue[TaskId] = asyncio.Queue()
        engine.changed.connect(self._changed)

    def recover(self) -> None:
        """Read what was written down; nothing is counted before the sender was asked."""
        self._log.recover()

    async def catch_up(self) -> None:
        """Count what was sent before the start, and have followed what has not ended.

        What was written down and never signed is forgotten: whoever handed it in is told nothing
        yet, and asks again.
        """
        for known in self._log.under_way:
            takes = known.begun.takes
            is_sent = await self._retry.ask(
                partial(self._sender.known, match_purpose(takes.deal_id))
            )
            if is_sent is None and known.tx is None:
                self._log.forget(takes.deal_id)
                continue
            self.matches.begin(takes)
            self._sent.put_nowait(known.begun)
        self._count_again()

    def _count_again(self) -> None:
        """Count in the quota what it counted before, in the order of time."""
        counted = [(at, known) for known in self._log for at in known.counted]
        for at, known in sorted(counted, key=lambda each: each[0]):
            self.quota.count(known.begun.takes.requester, at)
        for known in self._log:
            if known.ended is not None and known.ended.is_requesters_fault:
                self.quota.failed(known.begun.takes.requester, known.ended.at)

    def made(self, name: DealId) -> TxHash | None:
        """Return the transaction that made a deal; None where it was none of ours, or long ago."""
        return self._log.made(name)

    def begin(self, takes: MatchTakes, first: int, bot_first: int) -> MatchBegun:
        """Count a match that is about to be signed with the initialization of its first tasks.

        Args:
            takes: Of orders and stakes.
            first: How many tasks that are.
            bot_first: Number of the first one.

        Raises:
            TooManyPurchases: It may not be sent now.
        """
        now = self._now()
        self.quota.check(takes.requester, now)
        self.quota.count(takes.requester, now)
        begun = MatchBegun(takes, first, now, bot_first)
        self.matches.begin(takes)
        self._log.begin(begun)
        return begun

    async def durable(self) -> None:
        """Wait until all that is counted would be counted after a crash, too."""
        await self._log.durable()

    def unsent(self, name: DealId, why: BaseException) -> None:
        """Count a match no longer that was not handed over.

        What ends the program ends no match: it may be signed, and the next start finds out.
        """
        self.matches.end(name)
        if isinstance(why, PoolhandError) and not isinstance(why, EndsProgram):
            self._log.end(name, MatchEnded(self._now()))

    def posted(self, begun: MatchBegun, tx: TxHash) -> None:
        """Note that a match is out, and have it followed."""
        self._log.posted(begun.takes.deal_id, tx)
        self._sent.put_nowait(begun)

    async def keep_following(self) -> None:
        """Follow what was sent until a block has it, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._follow(await self._sent.get()))

    async def _follow(self, begun: MatchBegun) -> None:
        name, requester = begun.takes.deal_id, begun.takes.requester
        first = first_tasks(name, begun.first, begun.bot_first)
        try:
            with self._boundary.around("purchase", deal_id=str(name)):
                match = await self._outcome(match_purpose(name))
                by_another = match is None and await self._is_made(name)
                ended = MatchEnded(self._now(), match is None, by_another)
                if ended.is_requesters_fault:
                    self.quota.failed(requester, self._now())
                    log.warning("purchase_failed", deal_id=str(name), requester=str(requester))
                elif by_another:
                    log.info("purchase_made_by_another", deal_id=str(name))
                if (receipt := await self._outcome(first.purpose)) is not None:
                    self._note(first, receipt)
                self._log.end(name, ended)
        finally:
            self.matches.end(name)

    async def _is_made(self, name: DealId) -> bool:
        """Whether the chain has a deal, asked for as long as it takes."""
        return await self._retry.ask(partial(self._find_deal, name)) is not None

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
