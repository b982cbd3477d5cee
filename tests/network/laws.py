"""What must hold of every simulated network, whatever happened in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from poolhand.domain.replicate.status import EDGES, Status
from poolhand.domain.task.status import TASK_EDGES


def check_laws(world) -> None:
    """Money is conserved, histories are legal, the journal tells the pool's state."""
    assert world.chain.total_nrlc() == world.total, "nRLC were made or lost"
    for task_id, task in world.pool.tasks_known().items():
        for attempt in task.attempts:
            told = [entry.status for entry in attempt.log]
            assert told[0] is Status.CREATED
            assert all(b in EDGES[a] for a, b in pairwise(told)), told
        phases = [status for status, _ in task.history]
        assert all(b in TASK_EDGES[a] for a, b in pairwise(phases)), phases
        if world.pool.is_up:
            told = world.pool.journal.state(task_id)
            assert replace(told, now=task.now, view=task.view) == task
    for node in world.nodes:
        if node.is_up:
            for task_id, replicate in node.agent.shell.replicates.items():
                assert node.journal.state(task_id) == replicate
