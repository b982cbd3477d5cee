"""Programs killed before and after everything they do, one point at a time, for every point.

An undisturbed run counts the points; then the same run is killed at each of them, started again
on its journal, and must come to the same end.
"""

from __future__ import annotations

from collections import Counter

import pytest

from network.laws import check_laws
from network.world import SimulatedNetwork
from poolhand.domain.onchain import ChainTaskStatus, Contribute, Initialize
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


async def revive(world, victim):
    """Settle, starting the victim again whenever it was killed."""
    await world.settle()
    while victim.task is None:
        victim.start()
        await world.settle()


async def play_abandoned(folder, at):
    """Let the pool die after two contributions of four, and the victim die at points ``at``.

    Only the victim claims. Returns the world, the victim and the number of its points before the
    pool died.
    """
    world = SimulatedNetwork(folder, 2, quick=False)
    victim, other = world.nodes
    other.claim_grace = None
    await world.start()
    ((_, name),) = (await world.deal(trust=10)).tasks()
    await world.until(lambda: len(world.view(name).contributors) == 2)
    await world.step()
    await world.pool.kill()
    before, victim.fuse.at = len(victim.fuse.trace), frozenset(at)
    moments = [world.view(name).final_deadline + 290 + 10 * number for number in range(12)]
    for moment in moments:
        world.clock.advance(moment - world.chain.head.timestamp)
        world.chain.mine_until(moment)
        await revive(world, victim)
    assert world.view(name).status is ChainTaskStatus.FAILED, f"{at}\n{world.story()}"
    check_laws(world)
    left = victim.member.shell.replicates[name], sorted(victim.folder.glob("*"))
    await world.stop()
    return world, victim, before, left


async def test_a_worker_killed_at_any_point_of_its_claim_gets_its_stake_back_once(tmp_path):
    world, victim, before, left = await play_abandoned(tmp_path / "0", ())
    points = list(victim.fuse.trace)
    assert [point for point in points[before:] if "claim" in point]
    for number in range(before + 1, len(points) + 1):
        again, node, _, now_left = await play_abandoned(tmp_path / str(number), [number])
        assert Counter(map(type, again.calls())) == Counter(map(type, world.calls()))
        assert not again.refused(), points[number - 1]
        assert again.stake(node) == world.stake(victim)
        assert now_left[0].status is left[0].status
        assert now_left[1] == left[1] == []


async def play_taken_back(folder, at, *, forget):
    """Take the block of the contribution back; the victim is killed at points ``at`` after that."""
    world = SimulatedNetwork(folder, 1, quick=False)
    (victim,) = world.nodes
    await world.start()
    ((_, name),) = (await world.deal()).tasks()
    await world.until(lambda: world.view(name).contributors)
    before, victim.fuse.at = len(victim.fuse.trace), frozenset(at)
    world.reorg(world.chain.head.number - world.view_block(name, Contribute) + 1, forget=forget)
    for _ in range(60):
        await revive(world, victim)
        if world.is_done():
            break
        await world.step()
    assert world.is_done(), f"killed at {at}\n{world.story()}"
    check_laws(world)
    await world.stop()
    return world, victim, before


@pytest.mark.parametrize("forget", [False, True])
async def test_a_worker_killed_after_a_reorganisation_comes_to_the_same_end(tmp_path, forget):
    world, victim, before = await play_taken_back(tmp_path / "0", (), forget=forget)
    wanted, points = end(world), list(victim.fuse.trace)
    assert wanted["calls"]["Contribute", world.task_ids()[0]] == 1
    for number in range(before + 1, len(points) + 1):
        again, _, _ = await play_taken_back(tmp_path / str(number), [number], forget=forget)
        assert end(again) == wanted, points[number - 1]
