"""What a pool does in one turn of its loop does not grow with what is due at once."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from pool_world import first_task

from network.links import capabilities
from poolhand.observe.turn_pace import PIECES_PER_TURN
from poolhand.scheduler.placement import MOST_HEARD, MOST_MADE
from poolhand.transport.asgi import application
from poolhand.transport.gate import Arrival
from poolhand.transport.list_writer import LIST_ITEMS_PER_TURN, ListWriter
from poolhand.wire.pool_api import PoolWorker
from work import Turns

EACH = 2 * (PIECES_PER_TURN + MOST_MADE)
"""Changes of tasks in a turn: events, and replicates; of two turns, as the counter's own turn begins
in the midst of the loop's."""


def watched(world):
    """Count the changes of a pool's tasks, and the replicates that it creates, by turns."""
    changes, made, given = Turns(), Turns(), set()
    engine = world.scheduler.engine

    def changed(task_id):
        changes.count()
        if engine.tasks[task_id].attempts and task_id not in given:
            given.add(task_id)
            made.count()

    engine.changed.connect(changed)
    return changes, made


@pytest.mark.parametrize("tasks", [60, 600])
async def test_a_bag_is_given_and_put_on_chain_a_part_at_a_time(pool, tasks):
    world = await pool()
    for _ in range(10):
        await world.hired(slots=tasks // 10)
    changes, made = watched(world)
    deal = await world.deal(tasks=tasks)
    await world.settle()
    for _ in range(-(-tasks // 50)):
        await world.step()
    assert len(world.offered(first_task(deal))) == 1
    assert all(world.task(task_id).view.block for _, task_id in deal.tasks())
    assert made.most <= 2 * MOST_MADE
    assert changes.most <= EACH


async def test_many_workers_that_come_at_once_are_met_a_part_at_a_time(pool):
    world = await pool()
    met, join = Turns(), world.scheduler.placement._planner.join
    world.scheduler.placement._planner.join = lambda worker: (met.count(), join(worker))
    for puppet in [world.hire() for _ in range(200)]:
        arrival = Arrival(puppet.address, capabilities(puppet), (), "memory", world.clock.now())
        world.scheduler.workers.connected(arrival)
    await world.settle()
    assert len(world.scheduler.directory) == 200
    assert met.most <= 2 * MOST_HEARD


async def turns_of(work):
    """Return in how many turns of the loop something was done."""
    turns, is_over = 0, asyncio.ensure_future(work)
    while not is_over.done():
        turns += 1
        await asyncio.sleep(0)
    return turns, is_over.result()


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/workers"])
async def test_a_long_page_is_written_a_part_at_a_time(pool, path):
    world = await pool()
    for _ in range(200):
        world.scheduler.workers.connected(
            Arrival((one := world.hire()).address, capabilities(one), (), "memory", 0)
        )
    await world.deal(tasks=200)
    app = application("Poolhand pool", world.scheduler.api("http://pool.test"))
    turns = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for limit in (1, 1000):
            asked = client.get(f"http://pool.test{path}", params={"limit": limit})
            turns[limit], answer = await turns_of(asked)
    assert len(answer.json()) == 200
    assert turns[1000] - turns[1] >= 200 // (2 * LIST_ITEMS_PER_TURN)


async def test_however_many_ask_for_lists_all_together_are_written_a_few_items_a_turn():
    lists, shown, address = ListWriter(), Turns(), "0x" + "11" * 20

    def show(name):
        shown.count()
        return PoolWorker(worker=address, name=name, paused=False)

    answers = await asyncio.gather(*(lists.answer(["a\ud800", "b"] * 50, show) for _ in range(20)))
    assert {each.body for each in answers} == {answers[0].body}
    assert answers[0].body.count(b'"name":"a?"') == 50
    assert shown.most <= 2 * LIST_ITEMS_PER_TURN
