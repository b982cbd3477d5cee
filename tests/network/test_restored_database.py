"""A pool that dies anywhere and goes on from an older copy of its database, or with an empty one.

The chain tells what the copy lacks: every task comes to its end, and nothing is paid twice.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from network.fuses import FusedJournal
from network.laws import check_laws
from network.test_crashes import PLAYS, end, settle
from network.world import SimulatedNetwork
from poolhand.domain.onchain import ChainTaskStatus, Finalize
from poolhand.domain.task import machine
from poolhand.domain.units import BlockNumber
from poolhand.scheduler.engine import TASK_CODEC
from poolhand.store.memory import MemoryJournal


class Copied(FusedJournal):
    """A journal of which copies are kept; a pool that was killed once finds one of them.

    Args:
        fuse: Of the pool.
        age: Which copy is found: 0 the empty one, 1 the newest, and so between them.
    """

    def __init__(self, fuse, age: float) -> None:
        super().__init__(MemoryJournal(), fuse, machine, machine.receive, TASK_CODEC)
        self.age, self.copies, self.is_lost = age, [MemoryJournal()], False

    def commit(self, changes):
        super().commit(changes)
        self.copies.append(deepcopy(self.journal))

    def reopened(self):
        """Return what lies there after the loss."""
        if self.is_lost:
            return super().reopened()
        self.is_lost = True
        found = self.copies[round(self.age * (len(self.copies) - 1))]
        self.journal, self._states = found.reopened(), {}
        for stream, event in self.journal.read():
            self._follow(stream, event)
        return self


async def play(folder, at, age, *, workers, quick, trust, tasks):
    """Run one deal to its end; the pool dies at point ``at`` and finds a copy of that age."""
    world = SimulatedNetwork(folder, workers, slots=2, quick=quick)
    pool = world.pool
    pool.settings = replace(pool.settings, start_block=BlockNumber(0))
    pool.journal = Copied(pool.fuse, age)
    pool.fuse.at = frozenset((at,))
    world.total = world.chain.total_nrlc()
    for each in (pool, *world.nodes):
        each.start()
    await settle(world)
    await world.deal(trust=trust, tasks=tasks, settle=False)
    for _ in range(400):
        await settle(world)
        if world.is_done():
            break
        world.clock.advance(1)
        world.chain.mine()
    assert world.is_done(), f"dead at {at}: {pool.fuse.trace[-1]}\n{world.story()}"
    return world


@pytest.mark.parametrize("age", [0, 0.3, 0.7])
@pytest.mark.parametrize(("name", "stride"), [("quick", 7), ("standard", 11), ("trust 5", 67)])
async def test_a_pool_goes_on_from_a_copy_of_any_age_and_pays_once(tmp_path, name, stride, age):
    undisturbed = await play(tmp_path / "0", 0, age, **PLAYS[name])
    points = list(undisturbed.pool.fuse.trace)
    wanted = end(undisturbed)
    assert all(view[0] is ChainTaskStatus.COMPLETED for view in wanted["tasks"].values())
    for number in range(1, len(points) + 1, stride):
        world = await play(tmp_path / str(number), number, age, **PLAYS[name])
        found, point = end(world), f"dead {points[number - 1]} ({number})"
        assert found["tasks"] == wanted["tasks"], point
        assert found["stakes"] == wanted["stakes"], point
        assert found["others"] == wanted["others"], point
        assert sum(isinstance(call, Finalize) for call in world.calls()) <= PLAYS[name]["tasks"]
        check_laws(world)
        await world.stop()
    await undisturbed.stop()
