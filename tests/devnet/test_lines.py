"""Lines know who calls, cut one caller alone, and let the rest through."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager, suppress

import pytest

from poolhand.devnet.faults.callers import is_meant
from poolhand.devnet.faults.kinds import Partition
from poolhand.devnet.faults.line import Line, to_port, to_socket
from poolhand.devnet.ports import LOOPBACK_ADDRESS, free_port
from poolhand.transport.waiting import WaitingRoom

SECONDS = 20
CALLER = """
import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("connected", flush=True)
for word in sys.stdin:
    try:
        line.sendall(word.encode())
        print(line.recv(100).decode().strip() or "closed", flush=True)
    except OSError as fault:
        print(type(fault).__name__, flush=True)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who calls")


class Caller:
    """A program that sends a line and prints what comes back."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def read(self) -> str:
        async with asyncio.timeout(SECONDS):
            return (await self.process.stdout.readline()).decode().strip()

    async def say(self, word: str) -> None:
        self.process.stdin.write(f"{word}\n".encode())
        await self.process.stdin.drain()

    async def ask(self, word: str) -> str:
        await self.say(word)
        return await self.read()


@asynccontextmanager
async def echo(path=None):
    """A service that says what it hears; yields its port."""

    async def serve(reader, writer):
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    if path is None:
        server = await asyncio.start_server(serve, LOOPBACK_ADDRESS, 0)
    else:
        server = await asyncio.start_unix_server(serve, path)
    try:
        yield server.sockets[0].getsockname()[1] if path is None else path
    finally:
        server.close()


@pytest.fixture
async def far():
    async with echo() as port:
        yield port


@pytest.fixture
def pids():
    return {}


@pytest.fixture
async def line(far, pids):
    async with Line("echo", free_port(), to_port(lambda: far), lambda: pids) as running:
        yield running


@pytest.fixture
async def start(line, pids):
    """Start callers by name."""
    started = []

    async def one(name):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CALLER, str(line._near)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        pids[name] = process.pid
        started.append(process)
        caller = Caller(process)
        assert await caller.read() == "connected"
        return caller

    yield one
    for process in started:
        process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _broken(reader) -> None:
    """The connection must be gone without a word."""
    async with asyncio.timeout(SECONDS):
        with suppress(ConnectionError):
            assert await reader.read(1) == b""


async def test_bytes_pass_both_ways(start):
    caller = await start("worker-1")
    assert [await caller.ask("one"), await caller.ask("two")] == ["one", "two"]


@linux
async def test_one_caller_is_cut_off_and_the_other_is_not(line, start):
    first, second = await start("worker-1"), await start("worker-2")
    assert [await each.ask("before") for each in (first, second)] == ["before"] * 2
    line.cut(Partition("worker-1", "echo"))
    assert await first.ask("meanwhile") in ("ConnectionResetError", "BrokenPipeError")
    assert await second.ask("meanwhile") == "meanwhile"


@linux
async def test_a_cut_caller_gets_no_new_connection_until_healed(line, start, pids):
    cut = Partition("others", "echo")
    line.cut(cut)
    reader, writer = await asyncio.open_connection(LOOPBACK_ADDRESS, line._near)
    await _broken(reader)
    writer.close()
    line.heal(cut)
    reader, writer = await asyncio.open_connection(LOOPBACK_ADDRESS, line._near)
    writer.write(b"again")
    assert await reader.read(100) == b"again"
    writer.close()


@linux
async def test_a_silent_cut_holds_what_is_said_and_lets_it_go_on_afterwards(line, start):
    first, second = await start("worker-1"), await start("worker-2")
    assert [await each.ask("before") for each in (first, second)] == ["before"] * 2
    cut = Partition("worker-1", "echo", silent=True)
    line.cut(cut)
    await first.say("held")
    assert await second.ask("free") == "free"
    answer = asyncio.create_task(first.read())
    assert not (await asyncio.wait([answer], timeout=0.3))[0]
    line.heal(cut)
    assert await asyncio.wait_for(answer, SECONDS) == "held"


@linux
async def test_a_connection_made_in_silence_waits(line, start):
    cut = Partition("others", "echo", silent=True)
    line.cut(cut)
    reader, writer = await asyncio.open_connection(LOOPBACK_ADDRESS, line._near)
    writer.write(b"hello")
    answer = asyncio.create_task(reader.read(100))
    assert not (await asyncio.wait([answer], timeout=0.3))[0]
    line.heal(cut)
    assert await asyncio.wait_for(answer, SECONDS) == b"hello"
    writer.close()


@linux
async def test_two_cuts_of_one_caller_are_healed_one_by_one(line, start):
    one, all_workers = Partition("worker-1", "echo", True), Partition("workers", "echo", True)
    caller = await start("worker-1")
    assert await caller.ask("before") == "before"
    line.cut(one)
    line.cut(all_workers)
    await caller.say("held")
    line.heal(one)
    answer = asyncio.create_task(caller.read())
    assert not (await asyncio.wait([answer], timeout=0.3))[0]
    line.heal(all_workers)
    assert await asyncio.wait_for(answer, SECONDS) == "held"


async def test_a_service_that_is_gone_breaks_its_callers(pids):
    async with Line("gone", free_port(), to_port(free_port), lambda: pids) as line:
        reader, writer = await asyncio.open_connection(LOOPBACK_ADDRESS, line._near)
        writer.write(b"hello")
        await _broken(reader)
        writer.close()


@pytest.mark.case("A4")
async def test_callers_that_say_nothing_keep_nobody_from_the_service(far, pids):
    few = WaitingRoom(2, 2)
    async with Line("echo", free_port(), to_port(lambda: far), lambda: pids, few) as line:
        idle = [await asyncio.open_connection(LOOPBACK_ADDRESS, line._near) for _ in range(5)]
        reader, writer = await asyncio.open_connection(LOOPBACK_ADDRESS, line._near)
        writer.write(b"hello")
        assert await reader.read(100) == b"hello"
        for waiting, _ in idle[:3]:
            await _broken(waiting)
        for _, each in (*idle, (reader, writer)):
            each.close()


@linux
async def test_a_caller_of_a_unix_socket_is_known_by_its_process(tmp_path):
    near, far = tmp_path / "near", tmp_path / "far"
    pids = {"worker-1": os.getpid()}
    async with echo(far), Line("docker", near, to_socket(far), lambda: pids) as line:
        reader, writer = await asyncio.open_unix_connection(near)
        writer.write(b"hello")
        assert await reader.read(100) == b"hello"
        line.cut(Partition("worker-2", "docker"))
        writer.write(b"still")
        assert await reader.read(100) == b"still"
        line.cut(Partition("worker-1", "docker"))
        await _broken(reader)
        writer.close()


@linux
async def test_a_cut_connection_is_reset_not_closed(line):
    """A client must not take a partition for the end of an answer."""
    loop = asyncio.get_running_loop()
    with socket.create_connection((LOOPBACK_ADDRESS, line._near)) as near:
        near.setblocking(False)
        await loop.sock_sendall(near, b"hello")
        assert await loop.sock_recv(near, 100) == b"hello"
        line.cut(Partition("*", "echo"))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(loop.sock_recv(near, 100), SECONDS)


@pytest.mark.parametrize(
    ("caller", "name", "meant"),
    [
        ("*", "pool", True),
        ("*", "others", True),
        ("workers", "worker-12", True),
        ("workers", "pool", False),
        ("worker-1", "worker-12", False),
        ("others", "others", True),
        ("programs", "pool", True),
        ("programs", "others", False),
    ],
)
def test_callers_are_meant_by_name_or_group(caller, name, meant):
    assert is_meant(caller, name) is meant
