"""The pool answers as its OpenAPI document says, to whatever that allows and to the rest."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from pool_world import TO_CONTRIBUTED, PoolWorld, first_task

from as_described import RIGHT, WRONG, Described, proof, served, told
from poolhand.scheduler.api.core_tasks import CORE_NAME
from poolhand.transport.asgi import application
from poolhand.wire.messages import Logs

FREE = ("GET /v1/order", "POST /v1/purchases")
"""What is sold is the pool's choice; no schema says which capitals an address has (EIP-55)."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """A pool at work on a task, of which a worker has reported."""
    there, who = {}, []

    @asynccontextmanager
    async def made():
        world = PoolWorld(tmp_path_factory.mktemp("pool"))
        await world.start()
        worker = await world.hired()
        deal = await world.deal()
        task = first_task(deal)
        await world.step()
        await worker.reports(task, *TO_CONTRIBUTED)
        await worker.says(Logs(task, "out", "err"))
        ids = {"task_id": str(task), "worker": str(worker.address)}
        paths = ("/tasks/{task_id}", "/tasks/{task_id}/logs", "/v1/tasks/{task_id}",
                 "/v1/tasks/{task_id}/logs", "/tasks/{task_id}/replicates/{worker}",
                 "/tasks/{task_id}/replicates/{worker}/logs")  # fmt: skip
        there.update(dict.fromkeys(paths, ids))
        there["/v1/deals/{deal_id}"] = {"deal_id": str(deal.deal_id)}
        there["/v1/workers/{address}"] = {"address": str(worker.address)}
        who.append(world.requester)
        yield application("Poolhand pool", world.scheduler.api("http://pool.test"))
        await world.stop()

    with (
        served(made) as url,
        Described(
            url, there, {"chainId": 31337}, lambda client: header(client, url, who[0]), FREE
        ) as described,
    ):
        yield described


def header(client, url, wallet):
    asked = {"address": str(wallet.address), "chainId": 31337}
    return proof(wallet, client.get(f"{url}/tasks/logs/challenge", params=asked).json(), CORE_NAME)


@pytest.mark.timeout(600)  # seconds of a processor, on a machine that does much else
@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
def test_the_pool_answers_as_it_is_described(pool, mode):
    assert not (faults := pool.faults(mode)), told(faults)
