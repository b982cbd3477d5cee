"""Connections of apps: handed on with what may still pass, so many at once, and told of."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
import structlog
from structlog.testing import capture_logs

from poolhand.domain.ids import TaskId
from poolhand.domain.network_hosts import read_hosts
from poolhand.ports.runtime import PROXY_SOCKET
from poolhand.ports.tunnels import TunnelReport
from poolhand.transport.clock import SystemClock
from poolhand.worker.app_network import MOST_APP_CONNECTIONS, AppNetwork

TASK = TaskId(bytes(32))
HOSTS = read_hosts(["a.example"], 1)


class Held:
    """Serves each connection until a test lets all of them end, or its app does."""

    def __init__(self):
        self.asked, self.open, self.end = [], 0, asyncio.Event()
        self.report = TunnelReport("a.example:443", "203.0.113.9", 30, 40)

    async def let_through(self, descriptor, app, hosts, left):
        self.asked.append((app, hosts, left))
        self.open += 1
        ended = asyncio.create_task(self.end.wait())
        reader, writer = await asyncio.open_connection(
            sock=socket.socket(fileno=os.dup(descriptor))
        )
        read = asyncio.create_task(reader.read())
        await asyncio.wait({ended, read}, return_when=asyncio.FIRST_COMPLETED)
        for each in (ended, read):
            each.cancel()
        writer.close()
        self.open -= 1
        return self.report


@pytest.fixture
def tunnels():
    return Held()


@pytest.fixture
def network(tunnels):
    return AppNetwork(tunnels, 1000, SystemClock())


async def connect(folder):
    return await asyncio.open_unix_connection(str(folder / PROXY_SOCKET))


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_what_has_passed_is_told_and_counts_for_the_next_connection(
    network, tunnels, tmp_path
):
    tunnels.end.set()
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with network.open_to(TASK, tmp_path / "proxy", HOSTS):
            for _ in range(2):
                reader, writer = await connect(tmp_path / "proxy")
                assert await reader.read() == b""
                writer.close()
            await until(lambda: len(logs) == 2)
    assert tunnels.asked == [(0, HOSTS, 1000), (0, HOSTS, 930)]
    told = logs[0]
    assert (told["event"], told["task_id"], told["host"]) == (
        "app_connected", str(TASK), "a.example:443",
    )  # fmt: skip
    assert (told["address"], told["bytes_up"], told["bytes_down"]) == ("203.0.113.9", 30, 40)


async def test_a_connection_that_was_refused_is_told_with_why(network, tunnels, tmp_path):
    tunnels.end.set()
    tunnels.report = TunnelReport("evil\x1b[2J", why="no")
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with network.open_to(TASK, tmp_path / "proxy", HOSTS):
            _, writer = await connect(tmp_path / "proxy")
            await until(lambda: logs)
            writer.close()
    assert (logs[0]["event"], logs[0]["cause"]) == ("app_not_connected", "no")
    assert "\x1b" not in logs[0]["host"]


async def test_so_many_are_served_at_once_and_the_others_wait(network, tunnels, tmp_path):
    async with network.open_to(TASK, tmp_path / "proxy", HOSTS):
        writers = [(await connect(tmp_path / "proxy"))[1] for _ in range(MOST_APP_CONNECTIONS + 3)]
        await until(lambda: tunnels.open == MOST_APP_CONNECTIONS)
        tunnels.end.set()
        await until(lambda: len(tunnels.asked) == MOST_APP_CONNECTIONS + 3)
        for each in writers:
            each.close()


async def test_connections_are_cut_when_the_app_has_ended_and_told_of_all_the_same(
    network, tunnels, tmp_path
):
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with network.open_to(TASK, tmp_path / "proxy", HOSTS):
            reader, writer = await connect(tmp_path / "proxy")
            await until(lambda: tunnels.open)
        assert await reader.read() == b""
        await until(lambda: logs)
    writer.close()
    assert (logs[0]["event"], tunnels.open) == ("app_connected", 0)
    assert list((tmp_path / "proxy").iterdir()) == []


async def test_an_app_that_is_to_reach_nothing_has_no_socket(network, tmp_path):
    async with network.open_to(TASK, tmp_path / "proxy", ()):
        assert not (tmp_path / "proxy").exists()


async def test_a_folder_may_lie_deep_and_hold_what_an_earlier_life_has_left(
    network, tunnels, tmp_path, monkeypatch
):
    folder = tmp_path / ("d" * 120) / "proxy"
    folder.mkdir(parents=True)
    (folder / PROXY_SOCKET).touch()
    tunnels.end.set()
    async with network.open_to(TASK, folder, HOSTS):
        monkeypatch.chdir(folder)
        reader, writer = await asyncio.open_unix_connection(PROXY_SOCKET)
        assert await reader.read() == b""
        writer.close()
    assert len(tunnels.asked) == 1
