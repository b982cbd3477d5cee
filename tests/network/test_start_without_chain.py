"""Programs that start while their chain is away: who has work waits, who has none says so."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from poolhand.domain.errors import ChainUnreachable
from poolhand.keys.keystore import create_wallet
from poolhand.results.main import serve
from poolhand.scheduler import main as scheduler
from poolhand.settings import pool, results, worker
from poolhand.settings.load import load
from poolhand.store.file import FileJournal
from poolhand.store.section import Section
from poolhand.store.sql import SqlJournal
from poolhand.worker import main as worker_program

NOBODY = "http://127.0.0.1:1"
POOL = "0x" + "11" * 20
CHEAP = 1024
"""Cost of the keystore's key: nobody attacks it."""


class WorkerProgram:
    def __init__(self, folder):
        stored = create_wallet(folder / "keys", "", cost=CHEAP)
        flags = {"core-url": NOBODY, "pool-address": POOL, "base-dir": str(folder),
                 "wallet": str(stored.path), "status-port": "0", "rpc": NOBODY, "hub": POOL}  # fmt: skip
        settings = load(worker.WORKER_OPTIONS, flags, {}, None)
        self.settings = worker.worker_settings(settings, {}, 2)

    def leave_work(self):
        journal = FileJournal(self.settings.base / "journal")
        Section(journal, "task").append("0x" + "22" * 32, {"t": "Whatever"})
        journal.close()

    def run(self):
        return worker_program.run(self.settings)


class PoolProgram:
    def __init__(self, folder):
        stored = create_wallet(folder / "keys", "", cost=CHEAP)
        flags = {"pool-address": POOL, "wallet": str(stored.path), "rpc": NOBODY, "hub": POOL,
                 "database": f"sqlite:///{folder}/pool.db", "port": "0"}  # fmt: skip
        self.settings = pool.pool_settings(load(pool.POOL_OPTIONS, flags, {}, None))

    def leave_work(self):
        journal = SqlJournal(self.settings.database)
        Section(journal, "task").append("cursor", {"block": 7})
        journal.close()

    def run(self):
        return scheduler.run(self.settings)


class ResultsProgram:
    def __init__(self, folder):
        flags = {"folder": str(folder / "vault"), "rpc": NOBODY, "hub": POOL, "port": "0"}
        self.settings = results.results_settings(load(results.RESULTS_OPTIONS, flags, {}, None))

    def leave_work(self):
        folder = self.settings.folder / ("0x" + "22" * 32)
        folder.mkdir(parents=True)
        (folder / "kept.json").write_text("{}")

    def run(self):
        return serve(self.settings)


PROGRAMS = [WorkerProgram, PoolProgram, ResultsProgram]


@pytest.mark.parametrize("kind", PROGRAMS)
async def test_a_program_that_never_worked_says_at_once_that_no_chain_answers(tmp_path, kind):
    with pytest.raises(ChainUnreachable, match=r"127\.0\.0\.1:1"):
        async with asyncio.timeout(60):
            await kind(tmp_path).run()


@pytest.mark.parametrize("kind", PROGRAMS)
async def test_a_program_with_work_waits_for_its_chain_and_says_so(tmp_path, kind):
    program = kind(tmp_path)
    program.leave_work()
    waits = asyncio.Event()

    def hear(_logger, _level, line):
        if line["event"] == "chain_unreachable":
            waits.set()
        raise structlog.DropEvent

    structlog.reset_defaults()
    structlog.configure(processors=[hear])
    running = asyncio.ensure_future(program.run())
    try:
        async with asyncio.timeout(60):
            await waits.wait()
        assert not running.done()
    finally:
        structlog.reset_defaults()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
