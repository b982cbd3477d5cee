"""A worker takes nothing new while its engine's disk is full."""

from __future__ import annotations

from poolhand.domain.errors import RuntimeDown
from poolhand.transport.clock import SystemClock
from poolhand.worker.composition.cluster import engine_disk_watch
from poolhand.worker.engines import WorkerEngine
from poolhand.worker.standing import Hold


class Member:
    def __init__(self):
        self.held = []

    def hold(self, hold, reason):
        self.held.append((hold, reason))


async def test_nothing_new_is_taken_while_the_engine_has_no_room():
    said = iter([None, "full", "full", RuntimeDown("no engine"), "full", None])

    async def lack():
        now = next(said)
        if isinstance(now, Exception):
            raise now
        return now

    member = Member()
    watch = engine_disk_watch(WorkerEngine(None, None, 1, disk_lack=lack), member, SystemClock())
    for _ in range(6):
        await watch.look()
    assert member.held == [(Hold.ENGINE_DISK, now) for now in (None, "full", None, "full", None)], (
        "an engine that is away is told of by what waits for it"
    )


def test_what_has_no_engine_of_its_own_is_not_looked_at():
    assert engine_disk_watch(WorkerEngine(None, None, 1), Member(), SystemClock()) is None
