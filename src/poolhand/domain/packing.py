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
MOST_GAS: Final = Gas(6_000_000)
"""Of one transaction, however large blocks are: Arbitrum's are told to be without end."""
MOST_TASKS: Final = 100
MOST_AHEAD: Final = 60
"""Transactions of many tasks under way at once, however many a block takes."""
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
        return max(1, min((room - OVERHEAD) // self.gas, MOST_TASKS))


def room(block_gas: Gas | None, share: float) -> Gas:
    """Return the gas that one transaction of many tasks may take.

    Args:
        block_gas: Gas limit of a block, None where the chain does not tell.
        share: Of a block, above 0, at most 1.
    """
    return Gas(min(int((block_gas or SMALL_BLOCK) * share), MOST_GAS))


def ahead(block_gas: Gas | None, share: float, confirmations: int) -> int:
    """Return how many such transactions may be under way at once.

    One block's worth is being mined and confirmed while the next is made ready; what comes later
    is packed fuller.
    """
    blocks = 1 + max(confirmations, 1)
    per_block = (block_gas or SMALL_BLOCK) // max(room(block_gas, share), 1)
    return max(blocks, min(blocks * per_block, MOST_AHEAD))
