"""How many tasks one transaction carries: by the gas that a block has, and that each task takes.

Pure; what a task takes is learnt from receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.units import Gas

OVERHEAD: Final = Gas(50_000)
"""What a transaction takes whatever it carries (measured on PoCo 6.1)."""
SMALL_BLOCK: Final = Gas(6_700_000)
"""Gas of a block where the chain does not tell: the smallest of the known chains."""
MOST_GAS_PACKED: Final = Gas(6_000_000)
"""Of one transaction, however large blocks are: Arbitrum's are told to be without end."""
MOST_TASKS_PACKED: Final = 100
MOST_AHEAD: Final = 60
"""Transactions of many tasks under way at once, however many a block takes."""
PART_OF_BLOCK: Final = 0.8
"""Of a block's gas that such transactions take: the rest is left to workers, who pay less for it
than the pool and would else contribute nothing before the last task of a bag is on chain."""
_SLOWNESS: Final = 8


@dataclass(frozen=True, slots=True)
class GasPerTask:
    """What one task takes of a transaction of many, as learnt so far."""

    gas: Gas

    def learn(self, used: Gas, tasks: int) -> GasPerTask:
        """Take a receipt into account: a moving average."""
        seen = max(used - OVERHEAD, 0) // tasks
        return GasPerTask(Gas(max(1, self.gas + (seen - self.gas) // _SLOWNESS)))

    def tasks(self, room: Gas) -> int:
        """Return how many tasks fit into a transaction, at least one."""
        return max(1, min((room - OVERHEAD) // self.gas, MOST_TASKS_PACKED))


def room(block_gas: Gas | None, share: float) -> Gas:
    """Return the gas that one transaction of many tasks may take.

    Args:
        block_gas: Gas limit of a block, None where the chain does not tell.
        share: Of a block, above 0, at most 1.
    """
    return Gas(min(int((block_gas or SMALL_BLOCK) * share), MOST_GAS_PACKED))


def ahead(block_gas: Gas | None, confirmations: int) -> Gas:
    """Return the gas that such transactions may take together while they are under way."""
    return Gas(int((block_gas or SMALL_BLOCK) * PART_OF_BLOCK) * max(confirmations, 1))


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Transactions of many tasks that are sent and not mined: how many, and how many tasks."""

    transactions: int = 0
    tasks: int = 0

    def sent(self, tasks: int) -> UnderWay:
        """Count one more."""
        return UnderWay(self.transactions + 1, self.tasks + tasks)

    def ended(self, tasks: int) -> UnderWay:
        """Count one less."""
        return UnderWay(self.transactions - 1, self.tasks - tasks)

    def has_room(self, most: Gas, per_task: GasPerTask, tasks: int) -> bool:
        """Whether so many tasks more may be sent: what is alone always may."""
        if not self.transactions:
            return True
        gas = (self.transactions + 1) * OVERHEAD + (self.tasks + tasks) * per_task.gas
        return self.transactions < MOST_AHEAD and gas <= most
