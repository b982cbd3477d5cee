"""Programs are killed without warning, a whole devnet is stopped: everything goes on after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_world import WEB, wait_until

from poolhand.devnet.images import publish
from poolhand.domain.ids import TaskId

LONG = """
import json, os, time
out = os.environ["IEXEC_OUT"]
time.sleep(4)
open(f"{out}/result.txt", "w").write("the same everywhere")
open(f"{out}/computed.json", "w").write(
    json.dumps({"deterministic-output-path": "/iexec_out/result.txt"})
)
"""


@pytest.fixture
async def long(network, tmp_path) -> str:
    """An app that takes four seconds."""
    (tmp_path / "long").mkdir()
    (tmp_path / "long" / "main.py").write_text(LONG)
    image = await publish(tmp_path / "long", "poolhand/long:1.0", network.info.registry)
    return image.reference


def _told(network, task_id: str) -> dict:
    """What the pool says of a task; empty while it says nothing."""
    answer = WEB.get(f"{network.info.pool_url}/v1/tasks/{task_id}")
    return answer.json() if answer.is_success else {}


def _computing(network, task_id: str) -> str | None:
    """The worker that computes a task now."""
    for replicate in _told(network, task_id).get("replicates", ()):
        if replicate["status"] == "COMPUTING":
            return next(n for n, a in network.owners.items() if str(a) == replicate["worker"])
    return None


def _buy(network, image: str, *more: str) -> str:
    (task_id,) = network.ok("run", image, "--no-wait", *more)["task_ids"]
    return task_id


def test_a_worker_killed_while_it_computes_finishes_its_task(network, long):
    task_id = _buy(network, long, "--args", "worker")
    name = wait_until(lambda: _computing(network, task_id))
    network.start(name, network.end(name))
    watched = network.ok("task", "watch", task_id)
    assert watched["status"] == "COMPLETED"
    assert watched["contributors"] == [str(network.owners[name])]


def test_a_pool_killed_in_mid_task_finishes_it_and_pays(network, long):
    task_id = _buy(network, long, "--args", "pool", "--trust", "10")
    wait_until(lambda: _computing(network, task_id))
    network.start("pool", network.end("pool"))
    watched = network.ok("task", "watch", task_id)
    assert (watched["status"], watched["flow"]) == ("COMPLETED", "standard")
    wait_until(lambda: _ends(network, task_id) == {"COMPLETED"})


def _ends(network, task_id: str) -> set[str]:
    """Statuses of the replicates; a worker may come back to the pool after the task's end."""
    return {each["status"] for each in _told(network, task_id)["replicates"]}


async def test_a_devnet_goes_on_where_it_was_stopped(network, long, tmp_path):
    task_id = _buy(network, long, "--args", "devnet", "--trust", "10")
    wait_until(lambda: _computing(network, task_id))
    before = network.info
    network.stop()
    network.ok("devnet", "up", "--detach", "--workers", "4")
    assert network.info == before
    watched = network.ok("task", "watch", task_id)
    assert watched["status"] == "COMPLETED"
    async with network.chain() as chain:
        views = await chain.hub.tasks({TaskId.parse(task_id): ()})
    (view,) = views.values()
    result = network.ok("task", "download", task_id, "--to", str(tmp_path), "--extract")
    assert result["result_digest"] == str(view.digest)
    assert (Path(result["folder"]) / "result.txt").read_text() == "the same everywhere"
