"""A disk that was full and has room again leaves nobody dead behind, however long it took to die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from poolhand.devnet.children import Child, ChildState
from poolhand.devnet.faults import Faults, FullDisk
from poolhand.devnet.faults.grounds import Grounds
from poolhand.domain.errors import Unavailable

GIVES_UP_WHEN_TOLD = f"""
import json, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.signal(signal.SIGUSR1, lambda *_: sys.exit({Unavailable.exit_code}))
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(70))
print(json.dumps({{"url": "http://x"}}), flush=True)
while True:
    time.sleep(60)
"""


class Disk:
    """Counts; nothing is filled."""

    full = False

    def fill(self) -> None:
        self.full = True

    def clear(self) -> None:
        self.full = False


@pytest.fixture
async def child(tmp_path):
    """A worker of a devnet that starts nobody again by itself."""
    made = Child("worker-1", ("-c", GIVES_UP_WHEN_TOLD), {}, tmp_path, 0.0, (sys.executable,))
    await made.start()
    await made.ready()
    keeper = asyncio.create_task(made.keep(restart=False))
    yield made
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    await made.stop()


@pytest.fixture
async def faults(child):
    grounds = Grounds(None, None, {}, {"worker-1": child}, {}, disks={"worker-1": Disk()})
    async with Faults(grounds) as running:
        yield running


async def until(child: Child, met) -> None:
    changed = asyncio.Event()
    child.changed.connect(changed.set)
    async with asyncio.timeout(60):
        while not met():
            await changed.wait()
            changed.clear()


async def test_who_was_still_ending_when_there_was_room_again_is_started(child, faults):
    await faults.set(FullDisk("worker-1"))
    first = child.pid
    await faults.clear(FullDisk("worker-1"))
    os.kill(first, signal.SIGUSR1)
    await until(
        child, lambda: child.pid not in (None, first) and child.standing.state is ChildState.UP
    )


async def test_who_had_ended_before_is_started(child, faults):
    await faults.set(FullDisk("worker-1"))
    first = child.pid
    os.kill(first, signal.SIGUSR1)
    await until(child, lambda: child.standing.state is ChildState.DEAD)
    await faults.clear(FullDisk("worker-1"))
    await until(
        child, lambda: child.pid not in (None, first) and child.standing.state is ChildState.UP
    )


async def test_who_dies_of_something_else_stays_dead(child, faults):
    await faults.set(FullDisk("worker-1"))
    await faults.clear(FullDisk("worker-1"))
    os.kill(child.pid, signal.SIGUSR2)
    await until(child, lambda: child.standing.state is ChildState.DEAD)
    await asyncio.gather(*faults._late.values())
    assert child.standing.state is ChildState.DEAD
