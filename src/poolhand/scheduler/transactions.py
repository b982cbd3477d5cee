"""The scheduler's own transactions: initialize and claim in batches, finalize, reopen.

A transaction has done its work when the chain shows it, not when it was mined: after every receipt
and every refusal the chain is looked at, and only what is still wanted then is tried again. What
was sent before a crash is found again by its purpose. A wallet out of gas is no refusal: it is
waited for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import structlog
from eth_hash.auto import keccak

from poolhand.domain.errors import ChainUnreachable, EndsProgram, OutOfGas, Raced, Refused
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import Call, Claim, Finalize, Initialize, Receipt, Reopen
from poolhand.domain.task import machine
from poolhand.domain.task.machine import (
    CallRefused,
    Mined,
    SendClaim,
    SendFinalize,
    SendInitialize,
    SendReopen,
)
from poolhand.domain.task.model import Task, Transaction
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds, Wei
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import TransactionSender
from poolhand.ports.clock import Clock
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.packer import Batched, Packer

PAUSE_BETWEEN_TRANSACTION_TRIES: Final = 2.0
"""Seconds between two tries to reach a chain that does not answer, or lags."""

log = structlog.get_logger()


class NoLongerWanted(Raced):
    """While a transaction waited for gas or for a node, its task went on without it."""


TransactionEffect: TypeAlias = SendInitialize | SendFinalize | SendReopen | SendClaim
FAULT_PAUSES: Final = (2.0, 5.0, 10.0)
"""Seconds after faults that nobody expected, before the same transaction is tried again."""
CALL_OF_EFFECT: Final[dict[type[TransactionEffect], str]] = {
    SendInitialize: "initialize",
    SendFinalize: "finalize",
    SendReopen: "reopen",
    SendClaim: "claim",
}


@dataclass(frozen=True, slots=True)
class _Order:
    """One transaction to send: what for, and what it carries."""

    effect: type[TransactionEffect]
    tasks: tuple[Task, ...]
    call: Call
    tried: int

    @property
    def kind(self) -> str:
        """The name of the call."""
        return CALL_OF_EFFECT[self.effect]

    @property
    def ids(self) -> tuple[TaskId, ...]:
        """Of the tasks."""
        return tuple(task.facts.task_id for task in self.tasks)

    @property
    def keys(self) -> tuple[tuple[TaskId, str], ...]:
        """What is under way: this call, for each of the tasks."""
        return tuple((task_id, self.kind) for task_id in self.ids)

    @property
    def is_packed(self) -> bool:
        """Whether it was packed: what was refused before goes alone."""
        return self.effect in (SendInitialize, SendClaim) and not self.tried

    @property
    def purpose(self) -> str:
        """Name the intention: the same after a restart, another after a refusal or reopening."""
        name = tasks_name(self.ids)
        if self.effect is SendReopen:
            rounds = sum(status is TaskStatus.REOPENING for status, _ in self.tasks[0].history)
            name += f"-{rounds}"
        return f"{self.kind}:{name}:{self.tried}"


class Transactions:
    """Sends what the engine's tasks want sent.

    Args:
        engine: Told of refusals.
        sender: The pool owner's wallet.
        gas_budget: Where a transaction waits that cannot be paid for.
        clock: For pauses while the chain is out of reach.
        look: Asks for a fresh view of tasks, and returns when the engine has it.
        outage: Told when the chain is out of reach.
        packer: Where tasks wait for a transaction of many.
    """

    def __init__(
        self,
        engine: Engine,
        sender: TransactionSender,
        gas_budget: GasBudget,
        clock: Clock,
        look: Callable[[Iterable[TaskId]], asyncio.Future[None]],
        outage: OutageLog,
        packer: Packer,
    ) -> None:
        self._engine, self._sender, self._clock = engine, sender, clock
        self._gas_budget, self._packer = gas_budget, packer
        self._look, self._outage = look, outage
        self._begun: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]]] = asyncio.Queue()
        self._is_packing, self._recording = False, asyncio.Lock()
        self._under_way: Counter[tuple[TaskId, str]] = Counter()
        self._began: dict[int, UnixSeconds] = {}

    @property
    def under_way(self) -> int:
        """How many transactions are under way, those that wait for gas or for a node included."""
        return len(self._began)

    def oldest(self) -> Seconds | None:
        """Return for how long the oldest of them is; None where none is."""
        since = next(iter(self._began.values()), None)
        return None if since is None else Seconds(self._clock.steady() - since)

    def is_sending(self, task_id: TaskId, kind: str) -> bool:
        """Whether a transaction of ours is under way, whose receipt will be recorded."""
        return self._under_way[task_id, kind] > 0

    def is_busy(self, task_id: TaskId) -> bool:
        """Whether any transaction of ours for a task is under way."""
        return any(self.is_sending(task_id, kind) for kind in CALL_OF_EFFECT.values())

    async def keep_sending(self) -> None:
        """Carry out whatever was taken up, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                begin = await self._begun.get()
                tasks.create_task(begin())

    def act(self, task: Task, effect: TransactionEffect) -> None:
        """Take up a transaction; returns at once.

        While one of its kind is under way for the task nothing is added to it: when that has ended,
        what is still wanted is sent.
        """
        if type(effect) in CALL_OF_EFFECT and self.is_sending(
            task.facts.task_id, CALL_OF_EFFECT[type(effect)]
        ):
            return
        match effect:
            case SendInitialize(tried) | SendClaim(tried):
                if tried:  # the contract takes a batch whole or not at all
                    self._spawn(_batch(type(effect), (task,), tried))
                else:
                    self._packer.add(type(effect), task)
                    self._pack_soon()
            case SendFinalize(stored, tried):
                call = Finalize(task.facts.task_id, stored.link.encode(), stored.callback_data)
                self._spawn(_Order(SendFinalize, (task,), call, tried))
            case SendReopen(tried):
                self._spawn(_Order(SendReopen, (task,), Reopen(task.facts.task_id), tried))

    def _pack_soon(self) -> None:
        """Pack once all that is due now has been asked for, so that batches are full."""
        if not self._is_packing:
            self._is_packing = True
            self._engine.after(self._begin_packing)

    def _begin_packing(self) -> None:
        self._begun.put_nowait(self._pack)

    async def _pack(self) -> None:
        """Send what was asked for, as far as there is room for it."""
        self._is_packing = False
        while (taken := self._packer.take(self._wants)) is not None:
            self._spawn(_batch(*taken, 0))

    def _spawn(self, order: _Order) -> None:
        self._under_way.update(order.keys)
        self._began[id(order)] = self._clock.steady()
        self._begun.put_nowait(partial(self._carry_out, order))

    async def _carry_out(self, order: _Order) -> None:
        try:
            cause = await self._settle_somehow(order)
        finally:
            del self._began[id(order)]
            for key in order.keys:
                self._under_way[key] -= 1
                if not self._under_way[key]:
                    del self._under_way[key]
        self._gas_budget.settled(order.purpose)
        self._make_room(order)
        self._try_again(order, cause)

    def _make_room(self, order: _Order) -> None:
        if order.is_packed:
            self._packer.ended(order.effect, len(order.ids))  # type: ignore[arg-type]
            self._pack_soon()

    async def _settle_somehow(self, order: _Order) -> str:
        """Settle a transaction; what nobody expected is borne a few times, for it may be sent.

        Returns:
            Why it would have to be sent once more, by itself.
        """
        words = ""
        for pause in FAULT_PAUSES:
            try:
                return await self._settle(order)
            except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a task's
                words = self._engine.boundary.take(fault, order.kind, purpose=order.purpose)
                if len(order.ids) == 1:
                    self._engine.note(order.ids[0], fault, order.kind, passing=True)
            await self._clock.sleep(pause)
            await self._look(order.ids)
            if not any(self._is_wanted(task_id, order) for task_id in order.ids):
                break
        return words

    async def _settle(self, order: _Order) -> str:
        """Send a transaction and see what has become of it."""
        try:
            receipt = await self._send(order)
        except EndsProgram:
            raise
        except (Refused, Raced) as fault:
            cause = str(fault)
            log.warning("transaction_refused", kind=order.kind, tasks=len(order.ids), cause=cause)
            await self._look(order.ids)
            return cause
        async with self._recording:  # a block mines many at once: others have their turn between
            await self._record(order, receipt)
        await self._until_seen(order.ids, receipt.block)
        for task_id in order.ids:
            self._engine.well(task_id)
        return f"block {receipt.block} had it, and the chain no longer has block or effect"

    async def _send(self, order: _Order) -> Receipt:
        """Send and wait until it is mined, whatever happens to nodes and wallet.

        Raises:
            Refused, Raced: The contract does not take it, or nobody wants it any more.
        """
        while True:
            try:
                kept = self._gas_budget.reserve if order.effect is SendInitialize else Wei(0)
                receipt = await self._sender.send(order.purpose, order.call, kept)
            except ChainUnreachable as fault:
                self._outage.tell(fault, purpose=order.purpose)
                await self._clock.sleep(PAUSE_BETWEEN_TRANSACTION_TRIES)
            except OutOfGas as fault:
                await self._gas_budget.refill(order.kind, order.purpose, fault)
            else:
                self._outage.over()
                return receipt
            if not any(self._is_wanted(task_id, order) for task_id in order.ids):
                raise NoLongerWanted(f"{order.purpose} is no longer wanted: nothing was sent")

    async def _record(self, order: _Order, receipt: Receipt) -> None:
        """Write down what was mined; it outlives the program."""
        block, gas, price = receipt.block, receipt.gas_used, receipt.gas_price
        self._gas_budget.paid(receipt)
        if order.is_packed:
            self._packer.learn(order.effect, gas, len(order.ids))  # type: ignore[arg-type]
        mined = Transaction(order.kind, receipt.tx_hash, block, gas, price)
        for task_id in order.ids:
            await self._engine.pace.next()
            self._engine.feed(task_id, Mined(self._engine.tasks[task_id].now, mined))
        log.info("transaction_mined", kind=order.kind, tasks=len(order.ids), gas=gas)

    async def _until_seen(self, ids: tuple[TaskId, ...], block: BlockNumber) -> None:
        """Look until the views are as new as the receipt: nodes may lag behind one another."""
        while True:
            await self._look(ids)
            views = [self._engine.tasks[task_id].view for task_id in ids]
            if all(view is not None and view.block >= block for view in views):
                return
            await self._clock.sleep(PAUSE_BETWEEN_TRANSACTION_TRIES)

    def _try_again(self, order: _Order, cause: str) -> None:
        """Have what the chain still does not show sent once more; most often it is nothing."""
        for task_id in order.ids:
            if self._is_wanted(task_id, order):
                now = self._engine.tasks[task_id].now
                self._engine.feed(task_id, CallRefused(now, order.kind, cause))

    def _is_wanted(self, task_id: TaskId, order: _Order) -> bool:
        return self._wants(task_id, order.effect)

    def _wants(self, task_id: TaskId, effect: type[TransactionEffect]) -> bool:
        wanted = machine.outstanding(self._engine.tasks[task_id])
        return any(isinstance(each, effect) for each in wanted)


def _batch(effect: Batched, tasks: tuple[Task, ...], tried: int) -> _Order:
    if effect is SendClaim:
        return _Order(effect, tasks, Claim(tuple(task.facts.task_id for task in tasks)), tried)
    call = Initialize(tuple((task.facts.deal_id, task.facts.index) for task in tasks))
    return _Order(effect, tasks, call, tried)


def tasks_name(ids: tuple[TaskId, ...]) -> str:
    """Name tasks in a purpose."""
    name = str(ids[0])
    if len(ids) > 1:
        name += f"+{len(ids) - 1}-{keccak(b''.join(ids))[:4].hex()}"
    return name


def initialize_purpose(ids: tuple[TaskId, ...]) -> str:
    """Name the first initialization of tasks, as it is sent by itself."""
    return f"{CALL_OF_EFFECT[SendInitialize]}:{tasks_name(ids)}:0"
