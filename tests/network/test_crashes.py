"""Programs killed before and after everything they do, one point at a time, for every point.

An undisturbed run counts the points; then the same run is killed at each of them, started again
on its journal, and must come to the same end.
"""

from __future__ import annotations

from collections import Counter

import pytest

from network.laws import check_laws
from network.world import SimulatedNetwork
from poolhand.domain.onchain import ChainTaskStatus, Initialize
from poolhand.domain.replicate.status import Status

PLAYS = {
    "quick": {"workers": 1, "quick": True, "trust": 1, "tasks": 1},
    "standard": {"workers": 1, "quick": False, "trust": 1, "tasks": 1},
    "trust 5": {"workers": 3, "quick": False, "trust": 5, "tasks": 1},
    "bag": {"workers": 2, "quick": True, "trust": 1, "tasks": 3},
}


async def play(folder, victim, at, *, workers, quick, trust, tasks):
    """Run one deal to its end with ``victim`` ("pool" or "worker") killed at points ``at``."""
    world = SimulatedNetwork(folder, workers, slots=2, quick=quick)
    program = world.pool if victim == "pool" else world.nodes[0]
    program.fuse.at = frozenset(at)
    world.total = world.chain.total_nrlc()
    for each in (world.pool, *world.nodes):
        each.start()
    await settle(world)
    await world.deal(trust=trust, tasks=tasks, settle=False)
    for _ in range(200):
        await settle(world)
        if world.is_done():
            break
        world.clock.advance(1)
        world.chain.mine()
    assert world.is_done(), f"killed at {at}: {program.fuse.trace[-1]}\n{world.story()}"
    check_laws(world)
    await world.stop()
    return world, program


async def settle(world):
    """Settle, starting again whoever was killed."""
    await world.settle()
    while any(each.task is None for each in (world.pool, *world.nodes)):
        for each in (world.pool, *world.nodes):
            if each.task is None:
                each.start()
        await world.settle()


def end(world):
    """Return what is left of a run: chain, stakes, results, journals and files."""
    state = world.chain.state
    tasks = {name: state.view(name) for deal in world.deals for _, name in deal.tasks()}
    return {
        "tasks": {n: (v.status, v.consensus, v.digest, v.results) for n, v in tasks.items()},
        "attempts": {
            name: sorted((a.worker, a.status) for a in task.attempts)
            for name, task in world.pool.tasks_known().items()
        },
        "stakes": [state.stake.get(node.address) for node in world.nodes],
        "others": [state.stake.get(each.address) for each in (world.owner, world.requester)],
        "journals": [list(node.journal.read()) for node in world.nodes],
        "files": [sorted(p.name for p in node.folder.glob("*")) for node in world.nodes],
        "calls": Counter(_name(call) for call in world.calls()),
    }


def _name(call):
    """Name a call by what it is about; batches of initializations are taken apart by ``calls``."""
    return type(call).__name__, getattr(call, "task_id", None)


def _sent(world):
    """Count transactions by sender and meaning, those that were refused included."""
    return Counter(
        (mined.sent.sender, type(mined.sent.call), part)
        for mined in world.chain.mined()
        for part in _parts(mined.sent.call)
    )


def _parts(call):
    return call.tasks if isinstance(call, Initialize) else [repr(call)]


@pytest.mark.parametrize("victim", ["worker", "pool"])
@pytest.mark.parametrize("name", ["quick", "standard"])
async def test_a_program_killed_at_any_point_comes_to_the_same_end(tmp_path, victim, name):
    undisturbed, program = await play(tmp_path / "0", victim, (), **PLAYS[name])
    wanted, points = end(undisturbed), list(program.fuse.trace)
    assert all(view[0] is ChainTaskStatus.COMPLETED for view in wanted["tasks"].values())
    assert len(points) > 30
    for number, point in enumerate(points, 1):
        world, _ = await play(tmp_path / str(number), victim, [number], **PLAYS[name])
        assert not world.refused(), point
        assert end(world) == wanted, f"killed {point} ({number})"


@pytest.mark.parametrize("victim", ["worker", "pool"])
@pytest.mark.parametrize("name", ["trust 5", "bag"])
async def test_a_network_with_a_program_killed_at_any_point_completes_every_task(
    tmp_path, victim, name
):
    undisturbed, program = await play(tmp_path / "0", victim, (), **PLAYS[name])
    points = list(program.fuse.trace)
    for number in range(1, len(points) + 1, 11):
        world, _ = await play(tmp_path / str(number), victim, [number], **PLAYS[name])
        views = [world.view(name) for deal in world.deals for _, name in deal.tasks()]
        assert all(view.status is ChainTaskStatus.COMPLETED for view in views), points[number - 1]
        assert max(_sent(world).values()) == 1, points[number - 1]
        assert world.stake(world.requester) == undisturbed.stake(world.requester)
        if victim == "pool" and name == "bag":
            assert all(len(t.attempts) == 1 for t in world.pool.tasks_known().values())
        ends = {a.status for t in world.pool.tasks_known().values() for a in t.attempts}
        assert ends <= {Status.COMPLETED, Status.ABORTED_ON_CONSENSUS_REACHED, Status.FAILED}


@pytest.mark.parametrize("victim", ["worker", "pool"])
async def test_a_program_killed_again_and_again_comes_to_the_same_end(tmp_path, victim):
    undisturbed, program = await play(tmp_path / "0", victim, (), **PLAYS["standard"])
    wanted, count = end(undisturbed), len(program.fuse.trace)
    for stride in (7, 11, 13, 17):
        at = range(stride, 3 * count, stride)
        world, _ = await play(tmp_path / str(stride), victim, at, **PLAYS["standard"])
        assert not world.refused()
        assert end(world) == wanted, stride
