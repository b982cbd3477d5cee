"""Tasks that need a GPU: one each, as many at once as there are, over restarts as well."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from poolhand.domain.gpu import Gpu, GpuMaker
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.tag import Tag
from poolhand.domain.task.idle import IdleReason

GPU = Tag.of(["gpu"])
BELIEVED = PlacementRules(newcomers_slots=1000)


def gpus(count):
    return tuple(
        Gpu(f"GPU-{n}", n, GpuMaker.NVIDIA, "Simulated", (f"/dev/nvidia{n}",)) for n in range(count)
    )


async def world_with(network, *counts, slots=4):
    world = await network(workers=len(counts), slots=slots)
    world.pool.settings = replace(world.pool.settings, placement=BELIEVED)
    for node, count in zip(world.nodes, counts, strict=True):
        node.gpus = gpus(count)
        node.runtime.gate.clear()
    await world.start()
    return world


async def held(node):
    """Return how many containers have each of a node's GPUs, by the containers' labels."""
    ((key, value),) = node.worker.engine.labels.items()
    return Counter((await node.runtime.held_gpus(f"{key}={value}")).values())


async def test_as_many_compute_at_once_as_there_are_gpus_and_plain_tasks_beside_them(network):
    world = await world_with(network, 2)
    (node,) = world.nodes
    gpu = await world.deal(tasks=3, tag=GPU)
    await world.deal(tasks=1)
    await world.step()
    assert await held(node) == {"GPU-0": 1, "GPU-1": 1}
    assert node.computing() == 3
    node.runtime.gate.set()
    await world.done()
    assert await held(node) == {}
    for _, task in gpu.tasks():
        assert world.view(task).status is ChainTaskStatus.COMPLETED


async def test_who_has_none_is_given_none(network):
    world = await world_with(network, 0, 1)
    plain, able = world.nodes
    await world.deal(tasks=2, tag=GPU)
    await world.step()
    assert (plain.computing(), able.computing()) == (0, 1)
    assert plain.member.standing.idle == {IdleReason.NEEDS_GPU: 1, IdleReason.ENOUGH: 1}
    able.runtime.gate.set()
    await world.done()
    assert plain.member.standing.offers.seen == 0


async def test_a_worker_that_is_started_again_knows_what_its_containers_have(network):
    world = await world_with(network, 2)
    (node,) = world.nodes
    await world.deal(tasks=1, tag=GPU)
    await world.step()
    before = await held(node)
    await node.kill()
    node.start()
    await world.settle()
    assert await held(node) == before
    shown = [node.worker.engine.gpu_of(each) for each in node.member.shell.replicates]
    assert [each.name for each in shown] == list(before)
    await world.deal(tasks=1, tag=GPU)
    await world.step()
    assert await held(node) == {"GPU-0": 1, "GPU-1": 1}
    assert set(node.runtime.computations.values()) == {1}
    node.runtime.gate.set()
    await world.done()


async def test_what_a_gpu_that_is_gone_computed_is_computed_anew_on_another(network):
    world = await world_with(network, 2)
    (node,) = world.nodes
    await world.deal(tasks=1, tag=GPU)
    await world.step()
    ((gone, _),) = (await held(node)).items()
    await node.kill()
    node.gpus = tuple(each for each in gpus(2) if each.name != gone)
    node.start()
    await world.settle()
    assert set(await held(node)) == {each.name for each in node.gpus}
    node.runtime.gate.set()
    await world.done()
    ((_, task),) = world.deals[0].tasks()
    assert world.view(task).status is ChainTaskStatus.COMPLETED


async def test_a_worker_that_has_a_gpu_no_more_declines_what_needs_one(network):
    world = await world_with(network, 1)
    (node,) = world.nodes
    node.gpus = ()
    await node.kill()
    node.start()
    await world.settle()
    await world.deal(tasks=1, tag=GPU)
    await world.step()
    assert node.member.standing.idle == {IdleReason.NEEDS_GPU: 1}
