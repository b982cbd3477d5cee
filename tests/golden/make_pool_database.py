"""Write ``pool_database_v1.db``: what the pool of revision 5d30c83 kept, before rows and migrations.

Made once, in a checkout of that revision:

    PYTHONPATH=src:tests python make_pool_database.py pool_database_v1.db

One task is completed, one is being computed, a transaction is signed; never edit the file by hand.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from network.world import SimulatedNetwork
from poolhand.chain.keeper import Pen
from poolhand.chain.ledger import Ledger
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, Wei
from poolhand.store import SqlJournal
from poolhand.store.section import Section


async def lived(folder: Path):
    world = SimulatedNetwork(folder, quick=True)
    await world.start()
    done = next((await world.deal()).tasks())[1]
    await world.until(lambda: world.view(done).status is ChainTaskStatus.COMPLETED)
    await world.done()
    world.nodes[0].runtime.gate.clear()
    await world.deal(tasks=2)
    await world.step()
    records = list(world.pool.journal.read()), list(world.pool.remembered.read())
    world.nodes[0].runtime.gate.set()
    await world.stop()
    return world.owner, *records


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        owner, tasks, reputations = asyncio.run(lived(Path(folder)))
    journal = SqlJournal(f"sqlite:///{sys.argv[1]}")
    for name, records in (("task", tasks), ("reputation", reputations)):
        for stream, record in records:
            Section(journal, name).append(stream, record)
    pen = Pen(owner, Ledger(Section(journal, "tx"), owner.address, 31337))
    pen.sign(
        "finalize:golden:0",
        UnsignedTransaction(31337, 7, owner.address, Wei(0), b"", Gas(21000), Wei(9), Wei(1)),
    )
    journal.close()


if __name__ == "__main__":
    main()
