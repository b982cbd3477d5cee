"""A worker that has settled a thousand tasks knows no more than one that has settled a few."""

from __future__ import annotations

import asyncio
import gc
import types
from collections import Counter

from network.world import SimulatedNetwork
from poolhand.worker.briefs import MOST_BRIEFS

OF_PYTHON = (types.ModuleType, type, types.FunctionType, types.CodeType, types.FrameType)


def kept_by(node) -> Counter[str]:
    """Count what is reached from a worker's program, by type, but for the world around it."""
    world, reach = node.world, node.reach
    around = [world, world.chain, world.pool, world.exchange, world.witness, world.results,
              world.clock, node, node.runtime, node.fuse, reach, reach.hub, reach.watcher,
              asyncio.get_running_loop(), node.tasks]  # fmt: skip
    seen, todo, found = (
        set(map(id, around)),
        [node.worker, list(node.journal.journal.read())],
        Counter(),
    )
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, (*OF_PYTHON, asyncio.Future)):
            continue
        seen.add(id(each))
        found[type(each).__name__] += 1
        todo += gc.get_referents(each)
    return found


async def settle(network, tasks: int) -> None:
    """Let tasks be computed and paid, each of a deal of its own."""
    for _ in range(tasks):
        await network.deal()
        await network.done()


async def test_what_a_worker_keeps_does_not_grow_with_the_tasks_it_has_settled(tmp_path):
    network = SimulatedNetwork(tmp_path, 1)
    (node,) = network.nodes
    await network.start()
    await settle(network, MOST_BRIEFS + 8)
    before = kept_by(node)
    await settle(network, 2 * MOST_BRIEFS)
    after = kept_by(node)
    await network.stop()
    assert after.total() > 500
    assert {kind: count for kind, count in (after - before).items() if count > 16} == {}
