"""A worker with two GPUs computes two tasks that need one at once, and is paid for both.

The GPUs are simulated: device files that can be opened and compute nothing.
"""

from __future__ import annotations

import os

import pytest
from e2e_world import WEB, wait_until, worker_with

from poolhand.domain.ids import Address
from simulated_gpus import make_nvidia, uuid

NAME = "worker-1"
OTHERS = [f"worker-{number}" for number in range(2, 5)]
LONG = "--width 600 --height 400 --iterations 300"


@pytest.fixture
def gpu_worker(network, tmp_path):
    """One of the devnet's workers, on a computer with two GPUs; yields its address."""
    root = make_nvidia(tmp_path / "root")
    with worker_with(
        network,
        NAME,
        {"files": str(root)},
        IEXEC_WORKER_GPU_ENABLED="true",
        IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT="2",
    ):
        yield network.owners[NAME]


def status(network, name=NAME):
    return network.ok("worker", "status", "--name", name)


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device files")
def test_two_gpus_compute_two_tasks_at_once_and_both_are_paid(network, gpu_worker):
    words = ("run", network.image("fractal"), "--tasks", "3", "--tag", "gpu", "--args", LONG)
    wait_until(lambda: status(network)["connected"])
    assert [each["name"] for each in status(network)["gpus"]] == [uuid(0), uuid(1)]
    earned = network.ok("account", "show", str(gpu_worker))["stake_nrlc"]
    bought = network.ok(*words, "--no-wait")
    at_once = wait_until(lambda: _both(network))
    assert len(set(at_once)) == 2
    assert len(bought["task_ids"]) == 3
    for each in bought["task_ids"]:
        task = network.ok("task", "watch", each, seconds=300)
        assert task["status"] == "COMPLETED"
        (replicate,) = task["replicates"]
        assert Address.parse(replicate["worker"]) == gpu_worker
    assert not any(each["task_id"] for each in status(network)["gpus"])
    assert network.ok("account", "show", str(gpu_worker))["stake_nrlc"] > earned
    for name in OTHERS:
        assert status(network, name)["gpus"] == []
    told = WEB.get(f"{network.info.pool_url}/v1/workers").json()
    assert str(gpu_worker) in [each["worker"] for each in told]


def _both(network):
    """Return the tasks that have the GPUs, while each has one."""
    tasks = [each["task_id"] for each in status(network)["gpus"]]
    return all(tasks) and tasks
