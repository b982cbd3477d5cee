"""A worker that starts while its container engine is away: what it holds does not wait for it."""

from __future__ import annotations

import asyncio
import signal

import pytest

from lonely_worker import LonelyProgram, no_reveal, signal_me
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.ports.runtime import ContainerSpec, Limits, Mount
from poolhand.worker.app_engine import labels_of


@pytest.fixture
async def program(tmp_path):
    made = LonelyProgram(tmp_path)
    yield made
    await made.close()


def status(program, offer):
    return program.chain.state.view(offer.task_id).status


def is_proved(program, offer):
    return program.contribution(offer).status is ContributionStatus.PROVED


async def containers(program):
    return await labelled(program, program.base)


async def labelled(program, base):
    ((key, value),) = labels_of(program.node.address, base / "tasks").items()
    return await program.node.runtime.orphans(f"{key}={value}")


async def left_over(program, base=None):
    """Let an earlier life of the worker have begun a container that nobody waits for."""
    labels = labels_of(program.node.address, (base or program.base) / "tasks")
    image = program.node.runtime.pulled[0]
    limits = Limits(1 << 20, 1.0, 10, 1 << 20, 1 << 20, 1 << 20)
    out = program.base.parent / "left over"
    out.mkdir(exist_ok=True)
    mounts = (Mount(str(out), "/iexec_out", writable=True),)
    name = "the-last-one-to-be-removed"
    spec = ContainerSpec(name, image, (), {}, mounts, limits, 60, labels=labels)
    waiting = asyncio.create_task(program.node.runtime.run(spec))
    await asyncio.sleep(0)
    waiting.cancel()
    return spec.name


async def test_a_worker_that_holds_nothing_says_that_it_needs_an_engine(program):
    program.node.runtime.is_down = True
    with pytest.raises(RuntimeDown):
        await program.starts()


async def test_a_reveal_that_is_owed_is_made_without_an_engine(program):
    offer = await program.accepts(trust=1)
    program.chain.before_send = no_reveal
    await program.starts()
    await program.until(lambda: status(program, offer) is ChainTaskStatus.REVEALING)
    signal_me(signal.SIGTERM)
    await program.ends()
    program.chain.before_send, program.node.runtime.is_down = None, True
    await program.starts()
    await program.until(lambda: is_proved(program, offer))
    program.node.runtime.is_down = False
    program.finalize(offer)
    await program.until(lambda: not program.archive(offer).exists())


async def test_a_worker_of_another_devnet_with_the_same_wallet_keeps_its_containers(
    program, tmp_path
):
    runtime = program.node.runtime
    runtime.gate.clear()
    await runtime.pull(next(iter(runtime.apps)), "ab" * 32, 60)
    foreign = await left_over(program, tmp_path / "elsewhere")
    await program.starts()
    assert await containers(program) == ()
    assert await labelled(program, tmp_path / "elsewhere") == (foreign,)


async def test_what_an_earlier_life_left_is_removed_once_the_engine_is_back(program):
    """And the container of a replicate that is held goes on."""
    runtime = program.node.runtime
    runtime.gate.clear()
    offer = await program.accepts(trust=1)
    await program.starts()
    await program.until(lambda: runtime.computations)
    (own,) = await containers(program)
    orphan = await left_over(program)
    assert set(await containers(program)) == {own, orphan}
    signal_me(signal.SIGTERM)
    await program.ends()
    runtime.is_down = True
    await program.starts()
    runtime.is_down = False
    async with asyncio.timeout(60):
        while orphan in await containers(program):
            program.chain.mine()
            await asyncio.sleep(0.01)
    assert await containers(program) == (own,)
    runtime.gate.set()
    await program.until(lambda: program.contribution(offer) is not None)
    assert runtime.computations[own] == 1
