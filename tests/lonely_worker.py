"""The worker's program as it is started, but for chain and containers: those are fakes."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from network.world import SimulatedNetwork
from poolhand.cli.programs import until_stopped
from poolhand.containers.disks import DiskKind
from poolhand.domain.deal import Workerpool
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.onchain import Finalize, Initialize
from poolhand.domain.replicate.machine import Accepted, Flow, Offer, replay
from poolhand.observe.groups import unwrapped
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.store.file import FileJournal
from poolhand.store.section import Section
from poolhand.transport.downloading import FetchRules, WebDownloads
from poolhand.worker.doctor.page import nothing_examined
from poolhand.worker.engines import WorkerEngine
from poolhand.worker.main import World, followed_settings, work
from poolhand.worker.parts import WorkerParts
from poolhand.worker.pid_file import WORKER_PID_FILE, read
from poolhand.worker.shell import REPLICATE_CODEC
from poolhand.worker.upgrading.takeover import Takeover

NOBODY = "http://127.0.0.1:1"
"""No pool is there: a worker whose pool is away looks after what it holds all the same."""


class LonelyProgram:
    """A worker's program with a journal on disk, its chain in the test's hand and no pool."""

    def __init__(self, folder: Path) -> None:
        self.world = SimulatedNetwork(folder / "network", 1)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
        (node,) = self.world.nodes
        self.node, self.chain = node, self.world.chain
        self.chain.automine, self.chain.after_send = True, None
        flags = {
            "core-url": NOBODY,
            "pool-address": str(self.world.workerpool),
            "base-dir": str(folder),
            "wallet": "unused",
            "status-port": "0",
            "rpc": NOBODY,
            "hub": str(self.chain.facts.hub),
            "allow-private": "true",
        }
        self.settings = worker_settings(load(WORKER_OPTIONS, flags, {}, None), {}, 4)
        self.base = self.settings.base
        self.base.mkdir(parents=True, exist_ok=True)
        self.running: asyncio.Task | None = None
        self.orders_taken: list[tuple[str, str]] = []
        self.takeover = Takeover()

    async def accepts(self, **terms) -> Offer:
        """Let the worker's journal say that it has accepted a task, which is active on chain."""
        deal = await self.world.deal(settle=False, **terms)
        index, task = next(deal.tasks())
        signed = self.world.owner.sign_authorization(self.node.address, task, ZERO_ADDRESS)
        offer = Offer(task, deal.deal_id, index, Flow.STANDARD, signed)
        self.chain.submit(self.world.owner.address, Initialize(((deal.deal_id, index),)))
        with_journal(
            self.base, lambda j: j.append(str(task), REPLICATE_CODEC.encode(Accepted(1, offer)))
        )
        return offer

    async def starts(self, pid: int | None = None, examine=nothing_examined) -> None:
        """Start it as the command line does, signals included; returns when its page is there.

        Args:
            pid: Put into its pid file: 0 makes it a process that is not seen from here, as one in a
                container is not; else it is this very process, which does not end with it.
            examine: What its doctor looks at.
        """
        assert self.running is None
        live = followed_settings(self.settings)
        journal = FileJournal(self.base / "journal")
        pool = Workerpool(self.world.workerpool, self.world.owner.address, "", 35, 5)
        runtime, downloads = self.node.runtime, WebDownloads(FetchRules())
        engine = WorkerEngine(runtime, DiskKind.WATCH, self.settings.cpus)
        world = World(self.chain, pool, self.node.wallet, journal, engine, downloads)
        world.examine, world.live = examine, live
        world.take_orders = lambda *told: self.orders_taken.append(told)
        self.running = asyncio.create_task(until_stopped(self._work(world)))
        self.running.add_done_callback(lambda _: journal.close())
        await self.until(lambda: read(self.base) is not None)
        if pid is not None:
            path = self.base / WORKER_PID_FILE
            path.write_text(json.dumps({**json.loads(path.read_text()), "pid": pid}))

    async def _work(self, world: World) -> None:
        with unwrapped():
            await work(self.settings, world, parts=WorkerParts(takeover=self.takeover))

    async def ends(self) -> None:
        """Wait until it has ended by itself, without a fault."""
        running, self.running = self.running, None
        async with asyncio.timeout(60):
            while not running.done():
                self.chain.mine()
                await asyncio.sleep(0.01)
        running.result()

    async def until(self, met) -> None:
        """Let blocks pass until a condition holds, for a minute at most.

        Raises what ended the program before.
        """
        async with asyncio.timeout(60):
            while not met():
                if self.running is not None and self.running.done():
                    raise self.running.exception() or AssertionError("it ended by itself")
                self.chain.mine()
                await asyncio.sleep(0.01)

    def finalize(self, offer) -> None:
        self.chain.submit(self.world.owner.address, Finalize(offer.task_id, b"link", b""))

    def contribution(self, offer):
        return self.chain.state.contribution(offer.task_id, self.node.address)

    def archive(self, offer) -> Path:
        return self.base / "tasks" / str(offer.task_id) / "output" / "iexec_out.zip"

    def journaled(self, offer):
        """Return the replicate as the journal on disk has it."""
        found = with_journal(
            self.base,
            lambda j: [REPLICATE_CODEC.decode(e) for s, e in j.read() if s == str(offer.task_id)],
        )
        return replay(found)

    async def close(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)


def with_journal(base: Path, act):
    journal = FileJournal(base / "journal")
    try:
        return act(Section(journal, "task"))
    finally:
        journal.close()


def signal_me(number) -> None:
    os.kill(os.getpid(), number)


def no_reveal(_wallet, purpose, _call) -> None:
    """Let a chain take everything but reveals; set as its ``before_send``."""
    if purpose.startswith("reveal"):
        raise ChainUnreachable("the node takes no reveal")
