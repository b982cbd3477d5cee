"""Whose fault it is that a node did not start a container, by what is written beside it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from container_world import LIMITS

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.slurm import runner
from poolhand.containers.slurm.client import JobState, SlurmJob
from poolhand.containers.slurm.run_folder import RunFolder
from poolhand.containers.slurm.watch import MOST_FAULTY_NODES, RunWatch
from poolhand.domain.errors import RuntimeDown
from poolhand.ports.runtime import ContainerSpec

RUNNER = Path(runner.__file__).read_text()
SPEC = ContainerSpec("run", "image", ("x",), {}, (), LIMITS, 60)


class EndedJobs:
    """Jobs that all end with one result, each on a node of its own."""

    def __init__(self, result):
        self.result, self.without = result, []

    async def put(self, run, spec, without):
        self.without.append(without)
        runner.write(run.new_attempt().folder / "result", self.result)

    async def job(self, attempt):
        return SlurmJob(attempt.number, JobState.ENDED, f"n{attempt.number}", "run")

    async def cancel(self, attempt):
        pass


async def watched(folder, result):
    jobs, run = EndedJobs(result), RunFolder(folder / "run")
    run.create({})
    await jobs.put(run, SPEC, ())
    return jobs, run, RunWatch(jobs, run, SPEC, 5.0)


async def test_an_image_cannot_say_that_the_cluster_lacks_something(tmp_path):
    """It chooses the names that runc's words are about."""
    words = 'error mounting "tmpfs" to rootfs at "/proc/runc is not installed": inside /proc'
    jobs, run, watch = await watched(tmp_path, {"failed": words})
    with pytest.raises(ContainerRefused, match="is not installed"):
        await watch.outcome()
    assert jobs.without == [(), ("n1",), ("n1", "n2")]
    assert len(jobs.without) == MOST_FAULTY_NODES + 1
    assert not run.folder.exists()


async def test_a_node_without_runc_is_told_to_the_operator(tmp_path):
    """The runner is a copy, as on a cluster, for which no folder has programs."""
    run = RunFolder(tmp_path / "run")
    run.create({})
    folder = run.new_attempt().folder
    (folder / "order.json").write_text(json.dumps({"id": "a", "log": 1000, "timeout": 1}))
    copied = tmp_path / "runner.py"
    copied.write_text(RUNNER.replace(runner.NODE_PATH, str(tmp_path)))
    environment = {"PATH": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(copied), str(folder), env=environment
    )
    assert await process.wait() == 0
    with pytest.raises(RuntimeDown, match="install runc"):
        await RunWatch(EndedJobs({}), run, SPEC, 5.0).outcome()
