"""What every engine promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from container_world import LIMITS, PATIENCE, until

from poolhand.containers.errors import (
    ContainerRefused,
    ContainerRemoved,
    ImageNotFound,
    check_owner,
)
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import ContainerSpec


async def test_exit_code_and_both_streams_are_told(world):
    outcome = await world.runtime.run(world.program("hello"))
    printed = (b"hello\n", b"oh\n") if world.has_two_streams else (b"hello\noh\n", b"")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, *printed)
    assert (outcome.timed_out, outcome.out_of_memory, outcome.output_too_large) == (False,) * 3
    assert outcome.seconds >= 0


async def test_nothing_is_left_after_a_run(world):
    await world.runtime.run(world.program("hello"))
    key, value = next(iter(world.labels.items()))
    assert await world.runtime.orphans(f"{key}={value}") == ()


async def test_a_cancelled_run_is_joined_and_computed_once(world):
    world.hold()
    first = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    token = world.token()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(world.runtime.run(world.program("token")))
    await asyncio.sleep(0)
    world.release()
    outcome = await second
    assert outcome.exit_code == 0
    assert world.token() == token


async def test_two_runs_of_one_name_are_one_computation(world):
    world.hold()
    first = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    token = world.token()
    first.cancel()
    world.release()
    assert (await world.runtime.run(world.program("token"))).exit_code == 0
    assert world.token() == token


async def test_a_new_computation_starts_with_an_empty_output_folder(world):
    deep = world.output / "left" / "over"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (world.output / "link").symlink_to(world.input)
    (world.input / "kept").touch()
    world.release()
    await world.runtime.run(world.program("token"))
    assert [path.name for path in world.output.iterdir()] == ["token"]
    assert (world.input / "kept").exists()


async def test_a_strangers_container_of_the_same_name_is_not_joined(world):
    world.hold()
    first = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    stranger = replace(world.program("token"), labels={"poolhand.worker": "another"})
    with pytest.raises(ContainerRefused, match="somebody else"):
        await world.runtime.run(stranger)
    world.release()
    assert (await first).exit_code == 0


@pytest.mark.parametrize(
    "labels", [{}, {"poolhand.worker": "another"}, {"else": "me"}], ids=["none", "other", "foreign"]
)
def test_a_container_without_the_labels_of_a_run_is_a_strangers(labels):
    own = {"poolhand.worker": "me"}
    spec = ContainerSpec("c", "i", (), {}, (), LIMITS, Seconds(1), labels=own)
    check_owner(spec, {**own, "else": "x"})
    with pytest.raises(ContainerRefused, match="somebody else"):
        check_owner(spec, labels)


async def test_a_killed_run_says_that_its_container_was_removed(world):
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    await world.runtime.kill(world.name)
    with pytest.raises(ContainerRemoved):
        await running


async def test_killing_what_is_not_there_is_fine(world):
    await world.runtime.kill(world.name)
    await world.runtime.kill(world.name)


async def test_orphans_are_swept_but_for_those_to_be_kept(world):
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    label = f"poolhand.worker={world.labels['poolhand.worker']}"
    assert await world.runtime.orphans(label) == (world.name,)
    assert (
        await world.runtime.sweep("poolhand.worker=somebody-else", frozenset().__contains__) == ()
    )
    assert await world.runtime.sweep(label, {world.name}.__contains__) == ()
    assert await world.runtime.sweep(label, frozenset().__contains__) == (world.name,)
    assert await world.runtime.orphans(label) == ()


async def test_an_image_that_is_absent_does_not_start(world):
    spec = replace(world.program("hello"), image="docker.io/nobody/nothing@sha256:" + "12" * 32)
    with pytest.raises(ContainerRefused, match=world.name):
        await world.runtime.run(spec)


@pytest.mark.parametrize("image", ["", "UPPER/case", "a b", "x/../y", "-x/y:1", "host:port:x/y"])
async def test_a_name_that_no_image_can_have_is_refused(world, image):
    with pytest.raises(ImageNotFound, match="no image name"):
        await world.runtime.pull(image, "ab" * 32, 5)


@pytest.mark.parametrize("digest", ["0" * 64, "ab", "AB" * 32, ""])
async def test_a_checksum_that_is_no_digest_is_refused(world, digest):
    with pytest.raises(ImageNotFound, match="no image digest"):
        await world.runtime.pull("docker.io/owner/app:1", digest, 5)


async def printed(world, tail, *, live):
    lines = world.runtime.follow(world.name, tail, live=live)
    return [(line.is_error, line.text) async for line in lines]


async def until_printed(world, lines):
    """Wait until the engine tells lines of an app that runs: Docker takes them from it later."""
    async with asyncio.timeout(PATIENCE):
        while set(await printed(world, 100, live=False)) != lines:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_what_an_app_prints_is_told_while_it_runs(world):
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("chatty")))
    await until(world.token)
    everything = {(False, b"one"), (False, b"two"), (world.has_two_streams, b"oh")}
    await until_printed(world, everything)
    assert len(await printed(world, 1, live=False)) == 1
    assert await printed(world, 0, live=False) == []
    assert not running.done()
    following = asyncio.create_task(printed(world, 100, live=True))
    await asyncio.sleep(0)
    world.release()
    assert set(await following) == everything
    assert (await running).exit_code == 0
    assert await printed(world, 100, live=True) == []


async def test_what_an_app_uses_is_told_while_it_runs(world):
    assert await world.runtime.usage(world.name) is None
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    use = await world.runtime.usage(world.name)
    assert use is not None
    assert use.processes >= 1
    assert min(use.memory, use.cpu_seconds) >= 0
    world.release()
    await running
    assert await world.runtime.usage(world.name) is None


async def test_a_running_app_is_given_other_processors_and_one_that_is_not_there_none(world):
    await world.runtime.set_cpus(world.name, 0.5)
    world.hold()
    running = asyncio.create_task(world.runtime.run(world.program("token")))
    await until(world.token)
    await world.runtime.set_cpus(world.name, 0.25)
    if world.cpus is not None:
        assert await world.cpus() == 0.25
    world.release()
    assert (await running).exit_code == 0
    await world.runtime.set_cpus(world.name, 0.5)
