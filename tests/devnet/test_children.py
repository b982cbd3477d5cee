"""Programs of the devnet: one that dies is started again, one that was asked to end is not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

import psutil
import pytest

from poolhand.devnet.children import Child, ChildStanding, ChildState, ProgramDied, pause_after
from poolhand.devnet.health import Health, combine
from poolhand.devnet.up import start_all

SERVES = """
import json, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(json.dumps({"url": "http://x"}), flush=True)
while True:
    time.sleep(60)
"""
DIES = """
import json
print(json.dumps({"url": "http://x"}), flush=True)
raise SystemExit(3)
"""
FAILS = """
import json
print(json.dumps({"error": {"code": "port-busy", "message": "port 7 is taken: free it"}}))
raise SystemExit(2)
"""


NEVER_READY = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    time.sleep(60)
"""
STARTS = """
import asyncio, sys
from pathlib import Path
from poolhand.devnet.children import Child

async def main(source, folder):
    child = Child("thing", ("-c", source), {}, Path(folder), program=(sys.executable,))
    await child.start()
    await child.ready()
    print(child.pid, flush=True)
    await asyncio.get_running_loop().create_future()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def run(tmp_path):
    """Start a program, keep it up, and stop it in the end."""
    made, keepers = [], []

    async def start(source: str, *, restart: bool = True, pause: float = 0.0) -> Child:
        child = Child("thing", ("-c", source), {}, tmp_path, pause, (sys.executable,))
        made.append(child)
        await child.start()
        await child.ready()
        keepers.append(asyncio.create_task(child.keep(restart=restart)))
        return child

    yield start
    for keeper in keepers:
        keeper.cancel()
    await asyncio.gather(*keepers, return_exceptions=True)
    for child in made:
        await child.stop()


async def until(child: Child, met) -> None:
    """Wait until a program's standing meets a condition."""
    changed = asyncio.Event()
    child.changed.connect(changed.set)
    async with asyncio.timeout(60):
        while not met(child.standing):
            await changed.wait()
            changed.clear()


async def test_a_killed_program_is_started_again_and_the_kill_is_told(run):
    child = await run(SERVES)
    first = child.pid
    os.kill(first, signal.SIGKILL)
    await until(child, lambda now: now.restarts == 1 and now.state is ChildState.UP)
    assert child.standing.last_exit == -signal.SIGKILL
    assert child.pid not in (None, first)


async def test_a_program_that_dies_at_once_is_started_again_and_again(run):
    child = await run(DIES)
    await until(child, lambda now: now.restarts >= 3)
    assert child.standing.last_exit == 3


def test_pauses_grow_until_a_life_was_long():
    pauses = [pause_after(None, 1.0, 0.1)]
    for _ in range(6):
        pauses.append(pause_after(pauses[-1], 1.0, 0.1))
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert pause_after(30, 1.0, 61) == 1
    assert pause_after(20, 20, 5) == 30
    assert pause_after(40, 40, 5) == 40


async def test_a_program_that_was_asked_to_end_is_left_alone(run):
    child = await run(SERVES)
    os.kill(child.pid, signal.SIGTERM)
    await until(child, lambda now: now.state is ChildState.ENDED)
    assert (child.standing.restarts, child.standing.last_exit, child.pid) == (0, 0, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_we_end_stays_ended_until_we_start_it(run, number):
    child = await run(SERVES)
    first = child.pid
    await child.end(number)
    await until(child, lambda now: now.last_exit is not None)
    assert (child.standing.state, child.standing.restarts) == (ChildState.ENDED, 0)
    await child.start()
    await child.ready()
    assert child.standing.state is ChildState.UP
    os.kill(child.pid, signal.SIGKILL)
    await until(child, lambda now: now.restarts == 1 and now.state is ChildState.UP)
    assert child.pid != first


async def test_without_restarts_a_death_is_told_all_the_same(run):
    child = await run(SERVES, restart=False)
    os.kill(child.pid, signal.SIGKILL)
    await until(child, lambda now: now.state is ChildState.DEAD)
    assert child.standing == ChildStanding(ChildState.DEAD, None, 0, -signal.SIGKILL)


async def test_a_program_that_tells_an_error_did_not_start(tmp_path):
    child = Child("thing", ("-c", FAILS), {}, tmp_path, program=(sys.executable,))
    await child.start()
    with pytest.raises(ProgramDied, match=r"thing did not start: port 7 is taken: free it"):
        await child.ready()
    await child.stop()


# ------------------------------------------------------------------------------------ the status


# ----------------------------------------------------------------- a devnet that does not come up


def planted(folder, **sources):
    """Return programs as a devnet has them, each with its source."""
    return {
        name: Child(name, ("-c", source), {}, folder, program=(sys.executable,))
        for name, source in sources.items()
    }


async def brought_up(children):
    """Start programs as a devnet does that ends as soon as all of them are ready."""
    async with AsyncExitStack() as stack:
        await start_all(children, stack)


async def test_where_one_program_does_not_start_none_is_left_behind(tmp_path):
    children = planted(tmp_path, pool=SERVES, worker=NEVER_READY, market=FAILS)
    with pytest.raises(ProgramDied, match="market did not start: port 7 is taken"):
        await brought_up(children)
    assert [each.pid for each in children.values()] == [None] * 3


async def test_a_devnet_that_is_given_up_while_a_program_is_not_ready_leaves_none_behind(tmp_path):
    children = planted(tmp_path, pool=SERVES, worker=NEVER_READY)
    up = asyncio.Event()
    children["pool"].changed.connect(
        lambda: up.set() if children["pool"].standing.state is ChildState.UP else None
    )
    starting = asyncio.create_task(brought_up(children))
    await up.wait()
    pids = [each.pid for each in children.values()]
    assert all(pids)
    starting.cancel()  # as SIGTERM does
    await asyncio.wait([starting])
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_programs_of_a_devnet_that_is_killed_end_by_themselves(tmp_path):
    devnet = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS, SERVES, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    program = psutil.Process(int(await devnet.stdout.readline()))
    devnet.kill()
    await devnet.wait()
    await asyncio.to_thread(program.wait, 60)


def test_the_status_tells_restarts_and_who_is_simulated():
    up = ChildStanding(ChildState.UP, 7, 0, None).dump()
    gone = ChildStanding(ChildState.WAITING, None, 2, -9).dump()
    programs = {"pool": up, "worker-1": gone, "vanisher-1": gone, "liar-1": up}
    adversaries = {"vanisher-1": "vanishes", "liar-1": "wrong-hash"}
    told = combine([Health("node", True, "block 1"), Health("pool", True, "x")], programs,
                   adversaries)  # fmt: skip
    shown = {each.name: each for each in told}
    assert list(shown) == ["node", "pool", "worker-1", "vanisher-1", "liar-1"]
    assert (shown["pool"].state, shown["pool"].pid, shown["node"].state) == ("up", 7, None)
    assert not shown["worker-1"].ok
    assert (shown["worker-1"].restarts, shown["worker-1"].last_exit) == (2, -9)
    assert shown["vanisher-1"].ok, "its death is its nature"
    assert shown["liar-1"].simulated == "wrong-hash"
    assert "simulated adversary" in shown["liar-1"].detail
    assert "simulated" not in shown["worker-1"].detail
