"""The world that misbehaves: everything here is *simulated*, on a devnet started with faults.

In the program that runs the devnet::

    async with devnet(DevnetPlan(home, faults=True), print) as running:
        await running.faults.set(Partition("worker-1", "pool"))
        await running.faults.clear(Partition("worker-1", "pool"))
        await running.faults.set(Reorg(5))           # happens and is over
        await running.faults.set(Down("pool", "term"))
        await running.faults.clear(Down("pool", "term"))  # it runs again

From any other program, ``FaultClient(home)`` has the same ``set``, ``clear``, ``clear_all`` and
``in_force`` over a socket in the devnet's folder.
"""

from __future__ import annotations

from poolhand.devnet.faults.control import FaultClient
from poolhand.devnet.faults.faults import Faults
from poolhand.devnet.faults.kinds import (
    EVERY_PROGRAM,
    EVERY_WORKER,
    EVERYBODY,
    OTHER_CALLERS,
    BadFault,
    DearGas,
    Down,
    DropTransactions,
    Fault,
    FullDisk,
    Lag,
    LoseAnswers,
    Partition,
    Reorg,
    TooManyRequests,
)

__all__ = [
    "EVERYBODY",
    "EVERY_PROGRAM",
    "EVERY_WORKER",
    "OTHER_CALLERS",
    "BadFault",
    "DearGas",
    "Down",
    "DropTransactions",
    "Fault",
    "FaultClient",
    "Faults",
    "FullDisk",
    "Lag",
    "LoseAnswers",
    "Partition",
    "Reorg",
    "TooManyRequests",
]
