"""Which of a worker's GPUs a container gets: one that no other has, as the engine's labels say."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from poolhand.containers.gpu_locks import GpuInUse
from poolhand.domain.gpu import FoundGpus, Gpu, GpuMaker, NoSuchGpu, chosen_gpus
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.transport.clock import ManualClock
from poolhand.worker.engines import worker_gpus
from poolhand.worker.gpus import PAUSE_BETWEEN_GPU_LOOKS, WorkerGpus
from simulated_gpus import make_nvidia, uuid

NAMED = {"pool-address": "0x" + "1" * 40, "wallet": "w", "chain": "bellecour"}
GPUS = tuple(Gpu(f"GPU-{n}", n, GpuMaker.NVIDIA, "Simulated", ()) for n in range(2))


class Engine:
    """Tells what containers have, and forgets those that are removed."""

    def __init__(self, **held) -> None:
        self.held, self.removed = held, []

    async def held_gpus(self):
        return dict(self.held)

    async def remove(self, name):
        self.held.pop(name)
        self.removed.append(name)


def allocated(gpus=GPUS):
    clock = ManualClock()
    return clock, WorkerGpus(gpus, clock)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_two_containers_get_two_gpus_and_a_third_waits_for_one():
    engine, (clock, found) = Engine(), allocated()
    async with found.given("a", engine) as first:
        async with found.given("b", engine) as second:
            assert {first, second} == set(GPUS)
            waits = asyncio.create_task(found.given("c", engine).__aenter__())
            await settle()
            assert not waits.done()
            assert (found.of("a"), found.of("b"), found.of("c")) == (first, second, None)
        clock.advance(PAUSE_BETWEEN_GPU_LOOKS)
        assert await waits == second


async def test_what_an_earlier_life_gave_is_kept_and_given_to_no_other():
    engine, (_, found) = Engine(a="GPU-1"), allocated()
    async with found.given("b", engine) as other, found.given("a", engine) as kept:
        assert (kept.name, other.name) == ("GPU-1", "GPU-0")


async def test_a_container_of_a_gpu_that_is_gone_is_removed_and_gets_another():
    engine = Engine(a="GPU-9")
    _, found = allocated()
    async with found.given("a", engine) as gpu:
        assert (gpu, engine.removed) == (GPUS[0], ["a"])


async def test_a_run_that_is_cancelled_while_it_waits_takes_nothing():
    engine = Engine(x="GPU-0")
    _, found = allocated(GPUS[:1])
    waits = asyncio.create_task(found.given("a", engine).__aenter__())
    await settle()
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    engine.held.clear()
    async with found.given("b", engine) as gpu:
        assert gpu == GPUS[0]


async def test_a_run_that_is_cancelled_keeps_its_gpu_until_its_container_is_gone():
    """The engine may still be making it, and tell nothing of it yet."""
    engine, (_, found) = Engine(), allocated()

    async def run():
        async with found.given("a", engine):
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await settle()
    kept = found.of("a")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    async with found.given("b", engine) as other, found.given("a", engine) as again:
        assert (again, {kept, other}) == (kept, set(GPUS))
    found.release("a")
    assert found.of("a") is None


# ----------------------------------------------------------------------------------- at the start


def test_gpus_are_named_by_number_or_name_and_what_is_not_there_is_told():
    found = FoundGpus(GPUS, ("the GPU at 0000:05:00.0 lacks NVIDIA's driver",))
    assert chosen_gpus(found, ()) == ()
    assert chosen_gpus(found, ("all",)) == GPUS
    assert chosen_gpus(found, ("GPU-1", "1")) == GPUS[1:]
    with pytest.raises(NoSuchGpu, match=r"no GPU '2' here: choose among GPU 0 .*GPU-1.*0000:05"):
        chosen_gpus(found, ("0", "2"))
    with pytest.raises(NoSuchGpu, match=r"lacks NVIDIA's driver\): repair that"):
        chosen_gpus(replace(found, usable=()), ("all",))
    with pytest.raises(NoSuchGpu, match="none that its kernel knows"):
        chosen_gpus(FoundGpus(), ("0",))


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device files")
def test_a_worker_holds_its_gpus_and_another_names_others(tmp_path):
    root = make_nvidia(tmp_path / "root")
    given = {**NAMED, "gpu": "true", "locks": str(tmp_path / "locks")}
    settings = worker_settings(load(WORKER_OPTIONS, given, {}, None), {}, 4)
    with worker_gpus(settings, root) as mine:
        assert [each.name for each in mine] == [uuid(0), uuid(1)]
        with (
            pytest.raises(GpuInUse, match="name the others for this one with --gpus"),
            worker_gpus(replace(settings, gpus=("1",)), root),
        ):
            pass
    with worker_gpus(replace(settings, gpus=("1",)), root) as (other,):
        assert other.number == 1
    with worker_gpus(replace(settings, gpus=()), tmp_path / "none") as none:
        assert none == ()
