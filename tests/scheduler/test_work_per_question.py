"""Ten times the tasks and workers, and no more work for a question to the pool: counted.

Every path of the API is asked; a new one is asked too, or the test does not know how and fails.
"""

from __future__ import annotations

import asyncio
from typing import Final

import httpx
from crowded_pool import crowded, quiet, same, work_of
from pool_world import first_task

from poolhand.transport.asgi import application
from poolhand.wire.order_json import encode_match

URL = "http://pool.test"
PAGE = {"limit": 20}
"""Fewer than there are."""
ASKED = {
    "/v1/tasks": PAGE,
    "/v1/workers": PAGE,
    "/v1/deals/{deal_id}": PAGE,
    "/tasks/logs/challenge": {"address": "0x" + "77" * 20, "chainId": 31337},
}
STREAMED = ("/v1/tasks/{task_id}/output",)
"""They end when the task does: their beginning is counted, and whoever asked leaves."""
TURNS: Final = 100
"""Of the loop in which such a question is answered as far as it can be."""
POSTED = {"/v1/purchases": lambda world: encode_match(world.orders(1, 1))}


async def begun(asking):
    """Ask for what goes on, and leave."""
    reader = asyncio.ensure_future(asking)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert not reader.done()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)


async def works_of(world, workers):
    """Ask each thing twice; return what the second asking took."""
    app = application("Poolhand pool", world.scheduler.api(URL))
    (held,) = world.scheduler.engine.tasks_of(workers[0].address)
    names = {
        "task_id": str(held.facts.task_id),
        "deal_id": str(world.deals[0].deal_id),
        "worker": str(workers[0].address),
        "address": str(workers[0].address),
    }
    works = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        await quiet(world)
        for path in sorted(paths, key=POSTED.__contains__):  # what changes something comes last
            for _ in range(2):
                place = path.format(**names)
                if path in POSTED:
                    asking = client.post(place, json=POSTED[path](world))
                else:
                    asking = client.get(place, params=ASKED.get(path))
                works[path] = await work_of(begun(asking) if path in STREAMED else asking)
                await world.settle()
    return works


async def test_ten_times_the_pool_is_no_more_work_per_question(pool):
    few, many = [await works_of(*await crowded(pool, times)) for times in (1, 10)]
    assert {path: (few[path], n) for path, n in many.items() if n > same(few[path])} == {}


async def test_a_page_of_a_large_pool_is_no_longer_than_was_asked_for(pool):
    world, _ = await crowded(pool, 2)
    app = application("Poolhand pool", world.scheduler.api(URL))
    deal = world.deals[0].deal_id
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        for path in ("/v1/tasks", "/v1/workers"):
            assert len((await client.get(path)).json()) == 100
        assert len((await client.get(f"/v1/deals/{deal}")).json()["tasks"]) == 100
    assert world.task(first_task(world.deals[0]))
