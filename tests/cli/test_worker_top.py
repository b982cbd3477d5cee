"""A worker in the terminal: what stands on the screen, its keys, and a real terminal."""

from __future__ import annotations

import asyncio
import os
import sys

import pexpect
import pytest
from rich.text import Text
from textual.widgets import DataTable, Static

from live_told import replicate, step, told
from poolhand.cli.top import parts
from poolhand.cli.top.screen import TopScreen
from poolhand.cli.worker_page import Page, WorkerSilent
from poolhand.domain.errors import Unavailable
from poolhand.worker.pid_file import read

SIZES = ((80, 24), (160, 50))
NAMES = [f"0x{number:064x}" for number in range(3)]


def day_row(**members):
    empty = {"won": 0, "failed": 0, "earned_nrlc": 0, "lost_nrlc": 0, "paid_nrlc": 0, "gas_wei": 0}
    return {**empty, **members}


BUSY = told(
    working=1,
    gas={"balance_wei": 10**16},
    gas_days=2.5,
    stake={"free_nrlc": 5 * 10**9, "locked_nrlc": 2 * 10**9},
    score=30,
    earnings={
        "first_block": 0, "last_block": 7, "since": 0, "whole": True, "date": "2026-11-30",
        "today": day_row(won=1, earned_nrlc=10**9),
        "week": day_row(won=3, earned_nrlc=3 * 10**9, lost_nrlc=10**9),
        "all": day_row(won=9, earned_nrlc=9 * 10**9),
        "days": [
            {"day": "2026-11-30", **day_row(won=1, earned_nrlc=10**9)},
            {"day": "2026-11-28", **day_row(won=2, earned_nrlc=2 * 10**9)},
        ],
        "tasks": [],
    },
    replicates=[replicate(name, stake_locked_nrlc=10**9, unlocks_at=1) for name in NAMES],
    progress={name: step("reveal") for name in NAMES},
    output={
        NAMES[1]: {
            "memory": 2**20, "processes": 1, "cpu_seconds": 1.5,
            "lines": [{"stream": "stdout", "text": "half \x1b[2J done"}],
            "says": {"fraction": 0.5, "words": "\x1b[2Jepoch"},
        }
    },
    idle_causes=[
        {"code": "paused", "sentence": "[b]it rests[/b]", "acts": "you", "change": "resume it"}
    ],
)  # fmt: skip


class NoWorker:
    """Where a worker would be looked for; orders are kept."""

    def __init__(self):
        self.orders = []

    def __call__(self):
        return self

    def changes(self):
        raise WorkerSilent("http://127.0.0.1:1")

    def order(self, verb, body):
        self.orders.append((verb, body))
        return {}


def words(app, where):
    shown = app.query_one(where, Static).content
    return shown.plain if isinstance(shown, Text) else str(shown)


@pytest.mark.parametrize("size", SIZES)
async def test_it_shows_what_the_worker_tells(size):
    app = TopScreen(NoWorker())
    async with app.run_test(size=size) as pilot:
        app.show(BUSY)
        await pilot.pause()
        assert words(app, "#head") == "ann  working  1 of 2 slots at work, block 7"
        assert words(app, "#figure-1").splitlines() == ["3 RLC", "3 paid", "lost 1 RLC"]
        assert words(app, "#figure-4").splitlines() == ["2.5 days", "0.01 coin"]
        assert words(app, "#idle") == "[b]it rests[/b]\n  you: resume it"
        assert app.query_one(DataTable).row_count == 3
        assert app.query_one("#task").region.height >= 3


async def test_it_tells_which_hosts_apps_reach():
    app = TopScreen(NoWorker())
    hosts = {"allowed": ["a.example:443"], "reached": True, "problem": None}
    async with app.run_test() as pilot:
        app.show(told(hosts=hosts))
        await pilot.pause()
        assert words(app, "#idle") == "apps reach a.example:443, where an order asks for them"


async def test_the_task_that_is_chosen_stays_so_when_others_come_and_go():
    app = TopScreen(NoWorker())
    async with app.run_test() as pilot:
        app.show(BUSY)
        await pilot.press("down")
        assert words(app, "#detail").startswith(NAMES[1])
        assert "half \\x1b[2J done" in words(app, "#detail")
        assert "The app says: 50% done, \\x1b[2Jepoch" in words(app, "#detail")
        fewer = {**BUSY, "replicates": BUSY["replicates"][1:]}
        app.show(fewer)
        await pilot.pause()
        assert words(app, "#detail").startswith(NAMES[1])
        app.show({**BUSY, "replicates": []})
        await pilot.pause()
        assert words(app, "#detail") == "It holds no task."


async def test_a_worker_of_which_nothing_is_known_yet_has_a_whole_screen():
    app = TopScreen(NoWorker())
    async with app.run_test() as pilot:
        app.show(told())
        await pilot.pause()
        assert words(app, "#days-told") == "the chain is being read"
        assert words(app, "#detail") == "It holds no task."
        assert not app.query_one("#days").display


async def test_a_worker_that_does_not_answer_leaves_what_it_told_last():
    app = TopScreen(NoWorker())
    async with app.run_test() as pilot:
        app.show(BUSY)
        app.say_silent(Unavailable("it is \x1b[31m gone"))
        await pilot.pause()
        assert words(app, "#silent") == "it is \\x1b[31m gone"
        assert words(app, "#head").startswith("ann")


async def test_its_keys_give_orders_and_a_stop_is_asked_about():
    worker = NoWorker()
    app = TopScreen(worker)
    async with app.run_test() as pilot:
        app.show(BUSY)
        for key in ("p", "r", "f", "n", "f", "y"):
            await pilot.press(key)
            await app.workers.wait_for_complete()
        assert worker.orders == [
            ("pause", {"reason": "paused on its screen"}),
            ("resume", None),
            ("drain", None),
        ]


def test_gas_that_is_soon_used_up_stands_out():
    figures = dict(parts.figures(BUSY))
    assert "red" in str(figures["Gas"].spans[0].style)
    assert "red" not in str(dict(parts.figures(told()))["Gas"].spans[0].style)


def test_the_last_word_of_the_pools_owner_stands_before_why_nothing_is_taken():
    says = [{"at": 7, "text": "please \x1bupdate"}, {"at": 6, "text": "older"}]
    assert (
        parts.idle(told(owner_messages=says)).plain == "the pool's owner says: please \\x1bupdate"
    )


async def test_a_real_terminal_shows_it_takes_keys_and_is_left_as_it_was(program):
    program.node.runtime.gate.clear()
    await program.accepts(trust=1)
    await program.starts()
    pid_file = read(program.base)
    env = {**os.environ, "POOLHAND_WORKER_TOKEN": pid_file.token, "TERM": "xterm-256color"}
    typed = [sys.executable, "-m", "poolhand", "worker", "top", "--url", pid_file.url]
    child = pexpect.spawn(
        typed[0], typed[1:], env=env, dimensions=(40, 120), encoding="utf-8", timeout=30
    )

    def watch():
        child.expect_exact("slots at work")
        child.send("p")
        child.expect_exact("paused")
        child.send("q")
        child.expect_exact("\x1b[?1049l")
        child.expect(pexpect.EOF)
        child.close()
        return child.exitstatus

    assert await asyncio.to_thread(watch) == 0
    seen = await asyncio.to_thread(Page(pid_file.url, "").status)
    assert seen["paused"] == "paused on its screen"


async def test_without_a_terminal_it_says_what_tells_the_same(running_worker, operator):
    code, out, err = await operator.types("top")
    assert (code, out) == (2, "")
    assert "poolhand worker top --json" in err
    code, seen = await operator.reads("top")
    assert code == 0
    assert seen["connected"] is False
    assert seen["progress"] == {}


@pytest.fixture
async def running_worker(program):
    await program.starts()
