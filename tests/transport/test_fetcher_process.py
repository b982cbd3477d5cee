"""The process that downloads: what becomes of downloads when it dies, hangs, lies or is too few."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from downloads import LIMIT, MOST, OPEN, QUICK, TEXT, at_once, nothing_left
from raw_server import body, raw_server

from poolhand.transport.errors import DownloadFailed, DownloadTooLarge, FetcherLost
from poolhand.transport.fetcher import SafeFetcher
from poolhand.transport.fetcher_process import FetcherProcess

LIAR = (sys.executable, "-P", str(Path(__file__).with_name("lying_fetcher.py")))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(TEXT)


def made(program=QUICK, **parts):
    return FetcherProcess(OPEN, MOST, **{"pause": at_once, "program": program, **parts})


async def fetch(process, uri, target, limit=LIMIT, timeout=30):
    return await SafeFetcher(process).fetch(uri, str(target), limit, timeout)


@pytest.fixture
async def process():
    async with made().at_work() as at_work:
        yield at_work


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ------------------------------------------------------------------- its end, at any moment


class Killer:
    """Serves, and kills whoever downloads at a moment of its answer: first, or each time."""

    def __init__(self, process, moment, times):
        self.process, self.moment, self.left = process, moment, times
        self.killed = []

    async def __call__(self, writer, _head):
        for moment, data in enumerate((b"", HEAD, TEXT[:9], TEXT[9:])):
            writer.write(data)
            await writer.drain()
            if moment == self.moment and self.left:
                self.left -= 1
                self.killed.append(self.process.pid)
                os.kill(self.process.pid, signal.SIGKILL)
                return


@pytest.mark.parametrize("moment", range(4), ids=["asked", "head", "begun", "whole"])
async def test_killed_at_any_moment_nothing_is_lost(process, target, moment):
    killer = Killer(process, moment, 1)
    async with raw_server(killer) as server:
        assert await fetch(process, server.url(), target) == sha256(TEXT).hexdigest()
    assert target.read_bytes() == TEXT
    assert process.pid not in [*killer.killed, None]


async def test_killed_each_time_it_is_this_workers_trouble_and_nothing_is_left(process, target):
    killer = Killer(process, 2, 9)
    async with raw_server(killer) as server:
        with pytest.raises(
            FetcherLost, match=r"has ended by signal 9; tried 3 times\): the worker's oper"
        ):
            await fetch(process, server.url(), target)
        assert len(set(killer.killed)) == 3
        assert nothing_left(target)
        killer.left = 0
        await fetch(process, server.url(), target)
    assert target.read_bytes() == TEXT


async def test_its_neighbours_go_on_when_it_is_killed(process, target):
    """Who is not to blame is tried again with the one who is."""
    killer, others = Killer(process, 2, 2), [target.with_name(str(each)) for each in range(5)]
    async with raw_server(killer) as server:
        await asyncio.gather(*(fetch(process, server.url(), each) for each in others))
    assert {each.read_bytes() for each in others} == {TEXT}


async def test_one_that_hangs_is_stopped_and_what_it_had_to_do_is_tried_again(target):
    stopped = []
    async with made(silence=0.2).at_work() as process:

        async def script(writer, head):
            if not stopped:
                stopped.append(process.pid)
                os.kill(process.pid, signal.SIGSTOP)
            await body(TEXT)(writer, head)

        async with raw_server(script) as server:
            await fetch(process, server.url(), target)
        assert target.read_bytes() == TEXT
        assert not is_alive(stopped[0])


async def test_a_download_under_way_takes_up_a_new_rate(target):
    rate, looks = [64 * 1024], asyncio.Semaphore(0)

    def told():
        looks.release()
        return rate[0]

    async with (
        made(silence=0.02, silences=10**9, rate=told).at_work() as process,
        raw_server(body(b"x" * 4_000_000)) as server,
    ):
        coming = asyncio.create_task(fetch(process, server.url(), target, 4_000_000, 300))
        looking = asyncio.gather(*(looks.acquire() for _ in range(6)))
        await asyncio.wait((coming, looking), return_when=asyncio.FIRST_COMPLETED)
        assert not coming.done()
        rate[0] = 0
        await coming
    assert target.stat().st_size == 4_000_000


async def test_it_ends_with_its_worker_and_with_nothing_less(target):
    async with raw_server(body(TEXT)) as server, made().at_work() as process:
        await fetch(process, server.url(), target)
        pid = process.pid
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        await fetch(process, server.url(), target)
        assert process.pid == pid
    assert not is_alive(pid)


@pytest.mark.parametrize("program", [("/nowhere/at/all",), (*LIAR, "ends at once")])
async def test_one_that_cannot_be_had_fails_downloads_and_nothing_else(target, program):
    async with made(program).at_work() as process:
        with pytest.raises(FetcherLost, match="fetcher"):
            await fetch(process, "https://data.example/", target)
    assert nothing_left(target)


# --------------------------------------------------------------------------- many, and none


async def test_a_download_that_nobody_waits_for_is_ended(process, target):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def script(writer, _head):
        writer.write(HEAD)
        await writer.drain()
        begun.set()
        await writer.wait_closed()
        ended.set()

    async with raw_server(script) as server:
        waiting = asyncio.create_task(fetch(process, server.url(), target))
        await begun.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert nothing_left(target)
    async with raw_server(body(TEXT)) as server:
        await fetch(process, server.url(), target)


async def test_more_than_it_takes_at_once_all_come(process, target):
    async def script(writer, head):
        await body(head.split()[1].encode())(writer, head)

    async with raw_server(script) as server:
        places = [target.with_name(f"f{number}") for number in range(50)]
        coming = (fetch(process, server.url(f"/{each.name}"), each) for each in places)
        digests = await asyncio.gather(*coming)
    for place, digest in zip(places, digests, strict=True):
        assert place.read_bytes() == f"/{place.name}".encode()
        assert digest == sha256(place.read_bytes()).hexdigest()


# ------------------------------------------------------------------------------ taken over


@pytest.mark.parametrize(
    ("lie", "kind", "told"),
    [
        ("brings nothing", DownloadFailed, "empty"),
        ("brings too much", DownloadTooLarge, "1000 bytes"),
        ("holds on", DownloadFailed, "does not let go of the file"),
        ("speaks out of turn", FetcherLost, "not its turn"),
        ("looks up too much", FetcherLost, "not its turn"),
        ("ends", FetcherLost, "exit code 7"),
        ("commands the terminal", DownloadFailed, "pay now"),
    ],
)
async def test_one_that_lies_costs_its_downloads_alone(target, lie, kind, told):
    async def never(_host, _port):
        await asyncio.get_running_loop().create_future()

    async with made((*LIAR, lie), resolver=never).at_work() as process:
        with pytest.raises(kind, match=told) as caught:
            await fetch(process, "https://data.example/", target)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert nothing_left(target)


# -------------------------------------------------------------------- what it has given up

linux = pytest.mark.skipif(sys.platform != "linux", reason="what is read is Linux's /proc")


@linux
async def test_it_has_its_line_and_nothing_else_of_its_worker(target, monkeypatch):
    monkeypatch.setenv("A_SECRET", "hunter2")
    async with raw_server(body(TEXT)) as server, made().at_work() as process:
        await fetch(process, server.url(), target)
        look_at(process)


def look_at(process):
    told, folder = status_of(process.pid), Path("/proc", str(process.pid))
    assert (told["NoNewPrivs"], told["Seccomp"], told["Threads"]) == ("1", "2", "1")
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):  # hidden from its own user
            (folder / "exe").readlink()
        return
    assert set(told["Uid"].split()) == {"65534"}
    assert (set(told["Gid"].split()), told["Groups"]) == ({"65533"}, "")
    assert int(told["CapEff"], 16) == 0
    opened = {int(fd.name): str(fd.readlink()) for fd in (folder / "fd").iterdir()}
    assert [opened.pop(stream) for stream in (0, 1, 2)] == ["/dev/null"] * 3
    kinds = sorted(kind.partition(":")[0] for kind in opened.values())
    assert kinds == ["anon_inode", "socket", "socket", "socket"], "its loop's, and the line"
    assert b"SECRET" not in (folder / "environ").read_bytes()


@linux
async def test_it_is_small(process, target):
    """33 MB were measured, 21 of them its own; 40 were allowed."""
    async with raw_server(body(bytes(10**7))) as server:
        await fetch(process, server.url(), target, limit=10**7)
    assert int(status_of(process.pid)["VmRSS"].split()[0]) < 40 * 1024
