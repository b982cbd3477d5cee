"""``client.map`` over 200 calls of a second on four workers, beside the same work done otherwise.

Otherwise: the same containers run by hand, four at a time, a process pool of four, and a Dask
cluster of this machine with four workers. A call sleeps, so that the machine's processors are the
network's. Every value, every payment and the sum of all nRLC are checked; without them there is no
figure.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from aiodocker import Docker
from distributed import Client as DaskClient
from distributed import LocalCluster

from bench.frame import Job, Keys
from poolhand.client.async_client import AsyncClient
from poolhand.devnet.info import DevnetInfo
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import devnet
from poolhand.domain.ids import Address
from poolhand.requester.requester import Requester

ITEMS, WORKERS = 200, 4
CHUNK = 5
"""Calls of a task."""


def slept(number: int) -> int:
    time.sleep(1)
    return number * number


slept.__module__ = "__main__"  # travels by value, as what a program's own file defines does


async def keys(job: Job) -> Keys:
    items = job.scaled(ITEMS)
    async with devnet(DevnetPlan(job.home / "devnet", WORKERS), lambda _: None) as running:
        os.environ["POOLHAND_HOME"] = str(job.home / "devnet")
        async with AsyncClient(account="requester") as client:
            requester = await client.spender()
            before = await wealth(requester, running.info)
            assert await client.submit(pow, 2, 3) == 8  # pulls the image, registers the app
            mapped, deals = await timed(client, items, 1)
            chunked, _ = await timed(client, items, CHUNK)
            assert client.budget.spent == (1 + items + -(-items // CHUNK)) * deals
            assert await wealth(requester, running.info) == before
        by_hand = await containers_by_hand(f"{running.info.registry}/poolhand/functions:1.0", items)
    in_processes = await asyncio.to_thread(processes, items)
    by_dask = await asyncio.to_thread(dask_cluster, items)
    job.say(
        f"{items} calls of 1 s on {WORKERS} workers: map {mapped:.1f} s, in chunks of {CHUNK} "
        f"{chunked:.1f} s, containers by hand {by_hand:.1f} s, processes {in_processes:.1f} s, "
        f"Dask {by_dask:.1f} s"
    )
    return {
        "functions": {
            "map_s": round(mapped, 1),
            "chunked_s": round(chunked, 1),
            "containers_s": round(by_hand, 1),
            "processes_s": round(in_processes, 1),
            "dask_s": round(by_dask, 1),
            "throughput_of_containers": round(by_hand / mapped, 2),
            "chunked_of_processes": round(in_processes / chunked, 2),
            "chunked_of_dask": round(by_dask / chunked, 2),
            "overhead_per_item_s": round((mapped - by_hand) * WORKERS / items, 2),
        }
    }


async def timed(client: AsyncClient, items: int, chunk: int) -> tuple[float, int]:
    """Map; return seconds, and the price of a task (nRLC)."""
    spent, began = client.budget.spent, time.monotonic()
    found = [value async for value in client.map(slept, range(items), chunk=chunk)]
    taken = time.monotonic() - began
    assert found == [number * number for number in range(items)]
    return taken, (client.budget.spent - spent) // -(-items // chunk)


async def wealth(requester: Requester, info: DevnetInfo) -> int:
    """Return all nRLC of the devnet's accounts, in the hub and outside, once nothing is locked."""
    owners = [Address.parse(each.address) for each in info.accounts.values()]
    async with asyncio.timeout(60):
        while True:
            held = await requester.hub.accounts(owners)
            outside = await requester.hub.rlc_balances(owners)
            if not any(held[each].locked for each in owners):
                return sum(held[each].stake + outside[each] for each in owners)
            await asyncio.sleep(1)


async def containers_by_hand(image: str, items: int) -> float:
    """Run a container for each call, four at a time: created, started, waited for, removed."""
    docker, turns = Docker(), asyncio.Semaphore(WORKERS)
    program = "import sys, time; sys.path.insert(0, '/app'); import cloudpickle; time.sleep(1)"
    config = {"Image": image, "Entrypoint": ["python3", "-c", program]}

    async def one() -> None:
        async with turns:
            container = await docker.containers.create(config)
            await container.start()
            assert (await container.wait())["StatusCode"] == 0
            await container.delete()

    try:
        await docker.images.pull(image)
        return await _seconds(lambda: asyncio.gather(*(one() for _ in range(items))))
    finally:
        await docker.close()


async def _seconds(what: Callable[[], asyncio.Future]) -> float:
    began = time.monotonic()
    await what()
    return time.monotonic() - began


def processes(items: int) -> float:
    began = time.monotonic()
    with ProcessPoolExecutor(WORKERS) as pool:
        assert len(list(pool.map(time.sleep, [1] * items))) == items
    return time.monotonic() - began


def dask_cluster(items: int) -> float:
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        DaskClient(cluster) as client,
    ):
        began = time.monotonic()
        assert len(client.gather(client.map(time.sleep, [1] * items, pure=False))) == items
        return time.monotonic() - began
