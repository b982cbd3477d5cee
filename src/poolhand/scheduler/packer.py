"""Tasks that wait for a place in a transaction of many: packed by gas, deal by deal in turn."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Final, TypeAlias

from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import Head
from poolhand.domain.packing import GasPerTask, ahead, room
from poolhand.domain.task.machine import SendClaim, SendInitialize
from poolhand.domain.task.model import Task
from poolhand.domain.units import Gas

Batched: TypeAlias = type[SendInitialize] | type[SendClaim]
_FIRST: Final[dict[Batched, Gas]] = {SendClaim: Gas(135_000), SendInitialize: Gas(180_000)}
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
            effect: OrderedDict() for effect in _FIRST
        }
        self._per_task = {effect: GasPerTask(gas) for effect, gas in _FIRST.items()}
        self._under_way: Counter[Batched] = Counter()

    def add(self, effect: Batched, task: Task) -> None:
        """Have a task wait; one that waits already keeps its place."""
        deals = self._waiting[effect]
        deals.setdefault(task.facts.deal_id, {}).setdefault(task.facts.task_id, task)

    def take(self) -> tuple[Batched, tuple[Task, ...]] | None:
        """Return the next transaction's tasks, of one deal; None while nothing waits or fits."""
        block_gas = self._block_gas
        most_ahead = ahead(block_gas, self._share, self._confirmations)
        for effect, deals in self._waiting.items():
            if deals and self._under_way[effect] < most_ahead:
                self._under_way[effect] += 1
                most = self._per_task[effect].tasks(room(block_gas, self._share))
                return effect, _first(deals, most)
        return None

    def ended(self, effect: Batched) -> None:
        """Note that a transaction which ``take`` returned is mined, or refused."""
        self._under_way[effect] -= 1

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
