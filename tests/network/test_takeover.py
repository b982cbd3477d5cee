"""A pool on a real server that freezes before or after what it does; another takes over.

The frozen one keeps its session until whoever takes over ends it; then it wakes, and can write
nothing. The network comes to the end that it would have come to, and nothing is sent twice.
"""

from __future__ import annotations

import psycopg
import pytest

from network.fuses import FusedJournal
from network.laws import check_laws
from network.test_crashes import PLAYS, _sent, end, settle
from network.world import SimulatedNetwork
from poolhand.domain.onchain import ChainTaskStatus, Initialize
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.orders.signed_purchase import PurchaseUnfit
from poolhand.domain.task import machine
from poolhand.ports.lead import LeadLost
from poolhand.scheduler.engine import TASK_CODEC
from poolhand.store.errors import JournalLocked
from poolhand.store.sql import SqlJournal
from poolhand.store.sql_reader import SqlReader
from postgres_fixtures import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]


class Rivals:
    """The journals of a pool's processes over one database; only the newest may write."""

    def __init__(self, url) -> None:
        self._url, self._reader, self.frozen = url, SqlReader(url), []
        self._open()

    def _open(self):
        self._newest = SqlJournal(self._url)
        self._newest.archive._tasks = {}

    def __getattr__(self, name):
        return getattr(self._newest, name)

    def reopened(self):
        """Take over from a process that is frozen; then let it wake."""
        with pytest.raises(JournalLocked):
            SqlJournal(self._url)
        self.frozen.append(self._newest)
        assert self._reader.end(self._reader.sight()) == 1
        while self._reader.sight().is_held:
            pass  # the server lets go of the lock a moment later
        self._open()
        for frozen in self.frozen:
            with pytest.raises(LeadLost):
                frozen.append("task/late", {"n": 1})
        return self

    def close(self):
        """Let go of everything, and leave the database as empty as a new one."""
        for each in (*self.frozen, self._newest, self._reader):
            each.close()
        tables = "journal, cursors, deals, tasks, attempts, transactions, totals"
        with psycopg.connect(self._url, autocommit=True) as server:
            server.execute(f"TRUNCATE {tables}")


async def play(folder, url, at, *, workers, quick, trust, tasks):
    """Run one deal to its end; the pool freezes at points ``at``, and another takes over."""
    world = SimulatedNetwork(folder, workers, slots=2, quick=quick)
    pool, rivals = world.pool, Rivals(url)
    pool.journal = FusedJournal(rivals, pool.fuse, machine, machine.receive, TASK_CODEC)
    pool.fuse.at = frozenset(at)
    world.total = world.chain.total_nrlc()
    try:
        for each in (pool, *world.nodes):
            each.start()
        await settle(world)
        await world.deal(trust=trust, tasks=tasks, settle=False)
        for _ in range(200):
            await settle(world)
            if world.is_done():
                break
            world.clock.advance(1)
            world.chain.mine()
        assert world.is_done(), f"frozen at {at}: {pool.fuse.trace[-1]}\n{world.story()}"
        check_laws(world)
        await world.stop()
    finally:
        rivals.close()
    return world, len(rivals.frozen)


@pytest.mark.parametrize(("name", "stride"), [("quick", 3), ("standard", 11)])
async def test_a_pool_that_freezes_at_any_point_is_followed_and_nothing_is_sent_twice(
    tmp_path, postgres, name, stride
):
    undisturbed, _ = await play(tmp_path / "0", postgres, (), **PLAYS[name])
    wanted, points = end(undisturbed), list(undisturbed.pool.fuse.trace)
    assert all(view[0] is ChainTaskStatus.COMPLETED for view in wanted["tasks"].values())
    for number in range(1, len(points) + 1, stride):
        point = points[number - 1]
        folder = tmp_path / str(number)
        world, frozen = await play(folder, postgres, [number], **PLAYS[name])
        assert frozen in (1, 2), point  # the last one is stopped by the test
        assert not world.refused(), point
        assert end(world) == wanted, f"frozen {point} ({number})"
        assert max(_sent(world).values()) == 1, point


async def test_a_pool_that_freezes_again_and_again_is_followed_each_time(tmp_path, postgres):
    play_of = PLAYS["bag"]
    undisturbed, _ = await play(tmp_path / "0", postgres, (), **play_of)
    at = range(9, 3 * len(undisturbed.pool.fuse.trace), 9)
    world, frozen = await play(tmp_path / "1", postgres, at, **play_of)
    assert frozen > 5
    assert not world.refused()
    assert max(_sent(world).values()) == 1
    assert sum(end(world)["stakes"]) == sum(end(undisturbed)["stakes"])


async def test_whoever_takes_over_counts_and_answers_the_purchases_that_the_frozen_pool_sent(
    tmp_path, postgres
):
    world = SimulatedNetwork(tmp_path, 1, slots=2)
    pool, rivals = world.pool, Rivals(postgres)
    pool.journal = FusedJournal(rivals, pool.fuse, machine, machine.receive, TASK_CODEC)
    try:
        await world.start()
        first, second = world.orders(1, 600), world.orders(1, 600)  # stake for one of them
        told = await pool.scheduler.purchases.hand_in(first, "somewhere")
        await pool.kill()
        assert len(rivals.frozen) == 1
        pool.start()
        await settle(world)
        assert await pool.scheduler.purchases.hand_in(first, "somewhere") == told
        with pytest.raises(PurchaseUnfit):
            await pool.scheduler.purchases.hand_in(second, "somewhere")
        assert [type(each.call) for each in world.chain.pool] == [MatchOrders, Initialize]
        await world.step()
        assert not world.refused()
        assert world.chain.state.deals[told[0]].bot_size == 600
        await world.stop()
    finally:
        rivals.close()
