"""Tasks that wait for a place in a transaction of many: packed by gas, deal by deal in turn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Final, TypeAlias

from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import Head
from poolhand.domain.packing import GasPerTask, UnderWay, ahead, room
from poolhand.domain.task.machine import SendClaim, SendInitialize
from poolhand.domain.task.model import Task
from poolhand.domain.units import Gas

Batched: TypeAlias = type[SendInitialize] | type[SendClaim]
Wants: TypeAlias = Callable[[TaskId, Batched], bool]
_FIRST_GAS: Final[dict[Batched, Gas]] = {SendClaim: Gas(135_000), SendInitialize: Gas(180_000)}
"""What a task takes before a receipt tells (measured on PoCo 6.1); claims first."""


class Packer:
    """Holds tasks until a transaction has room for them.

    Args:
        share: Of a block's gas that one transaction may take.
        confirmations: Blocks until a transaction counts as mined.
        head: Returns the newest block.
    """

    def __init__(self, share: float, confirmations: int, head: Callable[[], Head | None]) -> None:
        self._share, self._confirmations, self._head = share, confirmations, head
        self._waiting: dict[Batched, OrderedDict[DealId, dict[TaskId, Task]]] = {
            effect: OrderedDict() for effect in _FIRST_GAS
        }
        self._per_task = {effect: GasPerTask(gas) for effect, gas in _FIRST_GAS.items()}
        self._under_way = {effect: UnderWay() for effect in _FIRST_GAS}

    def add(self, effect: Batched, task: Task) -> None:
        """Have a task wait; one that waits already keeps its place."""
        deals = self._waiting[effect]
        deals.setdefault(task.facts.deal_id, {}).setdefault(task.facts.task_id, task)

    def take(self, wants: Wants) -> tuple[Batched, tuple[Task, ...]] | None:
        """Return the next transaction's tasks, of one deal; None while nothing waits or fits.

        Args:
            wants: Whether a task still has to be sent; one that need not be is dropped.
        """
        for effect in self._waiting:
            while (count := self._next(effect)) > 0:
                first = _first(self._waiting[effect], count)
                if tasks := tuple(task for task in first if wants(task.facts.task_id, effect)):
                    self._under_way[effect] = self._under_way[effect].sent(len(tasks))
                    return effect, tasks
        return None

    def _next(self, effect: Batched) -> int:
        """Return how many tasks the next transaction would carry, 0 while it has to wait."""
        deals, per_task, block_gas = self._waiting[effect], self._per_task[effect], self._block_gas
        if not deals:
            return 0
        most = per_task.tasks(room(block_gas, self._share))
        count = min(most, len(next(iter(deals.values()))))
        most_gas = ahead(block_gas, self._confirmations)
        return count if self._under_way[effect].has_room(most_gas, per_task, count) else 0

    def ended(self, effect: Batched, tasks: int) -> None:
        """Note that a transaction of so many tasks, which ``take`` returned, has ended."""
        self._under_way[effect] = self._under_way[effect].ended(tasks)

    def learn(self, effect: Batched, used: Gas, tasks: int) -> None:
        """Note what a mined transaction took."""
        self._per_task[effect] = self._per_task[effect].learn(used, tasks)

    @property
    def _block_gas(self) -> Gas | None:
        head = self._head()
        return head.gas_limit if head else None


def _first(deals: OrderedDict[DealId, dict[TaskId, Task]], most: int) -> tuple[Task, ...]:
    """Take the first tasks of the deal that has waited longest; it goes to the end of the row."""
    deal_id, tasks = deals.popitem(last=False)
    taken = [tasks.pop(task_id) for task_id in tuple(islice(tasks, most))]
    if tasks:
        deals[deal_id] = tasks
    return tuple(sorted(taken, key=lambda task: task.facts.index))
