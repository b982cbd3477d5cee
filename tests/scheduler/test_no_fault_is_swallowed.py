"""What breaks an invariant ends the scheduler; nothing is lost in a callback of the event loop."""

from __future__ import annotations

import pytest

from network.world import SimulatedNetwork
from poolhand.store.errors import JournalFull


class FullJournal:
    """A journal whose disk is full for one kind of event."""

    def __init__(self, journal, kind):
        self._journal, self._kind = journal, kind

    def commit(self, changes):
        if any(f'"t":"{self._kind}"' in getattr(change, "text", "") for change in changes):
            raise JournalFull("pool.db")
        self._journal.commit(changes)

    def __getattr__(self, name):
        return getattr(self._journal, name)


async def a_task_begun(world):
    await world.deal()
    await world.step()
    await world.step()


@pytest.mark.parametrize("kind", ["Received", "Assigned", "Reported", "Viewed"])
async def test_a_full_journal_ends_the_scheduler(tmp_path, kind):
    world = SimulatedNetwork(tmp_path)
    world.pool.journal.journal = FullJournal(world.pool.journal.journal, kind)
    await world.start()
    with pytest.raises(JournalFull):
        await a_task_begun(world)
    await world.stop()
