"""A pool and workers as programs that can be killed: everything in them is made anew at a start."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from network.fuses import (
    TRANSACTIONS,
    Crash,
    Fuse,
    Fused,
    FusedJournal,
    FusedLog,
    FusedStages,
    check_acknowledged_by_pool,
    check_acted_by_pool,
    check_told_by_worker,
)
from network.inline import InlineExecutor
from network.links import LOST, RESULTS
from poolhand.containers.noop import NoopRuntime
from poolhand.domain.gpu import Gpu
from poolhand.domain.ids import Address
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.runtime import Limits
from poolhand.scheduler.composition import Scheduler
from poolhand.settings.chain import ChainSettings
from poolhand.settings.pool import PoolSettings
from poolhand.store.memory import MemoryJournal
from poolhand.store.section import LogSection
from poolhand.transport.clock import SeededEntropy
from poolhand.transport.fake import TableFetcher
from poolhand.transport.gate import Arrival
from poolhand.wire.messages import AcknowledgeReports, Capacity, ReportBatch, Welcome
from poolhand.worker.composition import HONEST, Worker
from poolhand.worker.results_place import ResultsPlace
from poolhand.worker.task_rules import Rules

LIMITS = Limits(memory=2**30, cpus=1.0, pids=64, tmp=2**20, log=2**16, output=2**24)


class Watching(FaultBoundary):
    """A boundary that a test can look at: what it took stands in ``contained`` of the network."""

    def __init__(self, contained) -> None:
        super().__init__()
        self._contained = contained

    def take(self, fault, what, **facts):
        words = super().take(fault, what, **facts)
        self._contained.append((what, fault))
        return words


class Program:
    """Something that runs until it is killed, and can be started again on its journal."""

    new_journal: Callable[[Fuse], FusedJournal]

    def __init__(self, world) -> None:
        self.world, self.fuse, self.reach = world, Fuse(), world.chain.reach()
        self.journal = self.new_journal(self.fuse)
        self.task: asyncio.Task | None = None
        self.has_recovered = False
        self.tasks: asyncio.TaskGroup | None = None
        self.starts = 0

    @property
    def is_up(self) -> bool:
        """Whether it has recovered and lives."""
        alive = self.task is not None and not self.task.done() and not self.fuse.is_blown
        return alive and self.has_recovered

    @property
    def is_starting(self) -> bool:
        """Whether it lives and does not yet know what its journal holds."""
        return self.task is not None and not self.has_recovered

    def sender(self):
        return Fused(self.reach.sender(self.wallet), self.fuse, "send", "post", "outcome")

    def keep(self):
        """Look after the wallet's transactions for as long as the program lives."""
        self.tasks.create_task(self.reach.sender(self.wallet).keep())

    def start(self) -> None:
        assert self.task is None, "it runs already"
        self.starts, self.has_recovered = self.starts + 1, False
        self.task = asyncio.get_running_loop().create_task(self._main())

    async def kill(self) -> None:
        """End the program between two of its steps, and keep what a disk would keep."""
        self.fuse.is_blown = True
        await self.bury()

    async def bury(self) -> None:
        """Take leave of a dead program; anything but the planned crash is a failure."""
        task, self.task = self.task, None
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        for leaf in leaves(outcome):
            if not isinstance(leaf, Crash | asyncio.CancelledError):
                raise leaf
        self.fuse.is_blown = False
        self.journal = self.journal.reopened()
        self.gone()


def leaves(outcome):
    if isinstance(outcome, BaseExceptionGroup):
        return [leaf for each in outcome.exceptions for leaf in leaves(each)]
    return [] if outcome is None else [outcome]


class Pool(Program):
    """The scheduler. ``quick`` is whether trust-1 tasks are settled at once."""

    new_journal = FusedJournal.of_pool

    def __init__(self, world, wallet, workerpool: Address, *, quick: bool) -> None:
        super().__init__(world)
        self.wallet, self.quick, self.is_open = wallet, quick, False
        self.entropy = SeededEntropy()
        self.asks_the_shelf, self.remembered = True, MemoryJournal()
        self.markets, self.for_sale, self.profile = (), MemoryJournal(), None
        self.drained, self.challenges = MemoryJournal(), None
        self.before_acting = lambda _task, _effect: None
        self.settings = PoolSettings(
            chain=ChainSettings(("http://rpc.test",), world.chain.facts.hub),
            workerpool=workerpool,
            wallet=Path("wallet"),
            password="",
            results_url=RESULTS,
            prices={0: NanoRlc(10**9)},
            quick_finish=quick,
            public_logs=True,
        )

    async def _main(self) -> None:
        async with asyncio.TaskGroup() as self.tasks:
            log = FusedLog(self.journal, InlineExecutor())
            self.tasks.create_task(log.run())
            self.scheduler = Scheduler(
                self.settings,
                self.reach.hub,
                self.reach.watcher,
                self.sender(),
                self.wallet,
                log,
                self.world.clock,
                self.entropy,
                self.world.results if self.asks_the_shelf else None,
                tell=self._tell,
                boundary=Watching(self.world.contained),
                reputations=self.remembered,
                markets=self.markets,
                sale_log=self.for_sale,
                profile=self.profile,
                drain_log=self.drained,
                purchase_log=LogSection(log, "purchase"),
                exclusion_log=LogSection(log, "exclusion"),
                tally_log=LogSection(log, "tally"),
                earning_log=LogSection(log, "earning"),
                challenges=self.challenges,
            )
            self.keep()
            self.tasks.create_task(self.scheduler.run(self._opened))

    def _opened(self) -> None:
        act = self.scheduler.engine.act

        def checked(task, effect):
            name = type(effect).__name__
            self.fuse.point(f"before {name}")
            self.before_acting(task, effect)
            check_acted_by_pool(task, effect, self.journal)
            act(task, effect)
            if isinstance(effect, TRANSACTIONS):
                self.fuse.point(f"after {name}")

        self.scheduler.engine.act = checked
        self.is_open = self.has_recovered = True
        for node in self.world.nodes:
            self.world.exchange.dial(node)

    def opened_with(self, before_acting) -> None:
        """Have something called before each effect is acted on."""
        self.before_acting = before_acting

    def attend(self, session) -> None:
        self.tasks.create_task(self._attend(session))

    async def _attend(self, session) -> None:
        sessions, worker = self.scheduler.workers, session.node.address
        while True:
            item = await session.to_pool.take()
            if item is LOST:
                sessions.lost(worker)
                return
            if not session.is_open:
                continue
            self.fuse.point("before hearing")
            if isinstance(item, Arrival):
                sessions.connected(item)
            else:
                sessions.received(worker, item)

    def _tell(self, worker, message) -> None:
        self.fuse.point(f"before telling {type(message).__name__}")
        if isinstance(message, AcknowledgeReports):
            check_acknowledged_by_pool(message, worker, self.journal)
        self.world.exchange.tell(worker, message)
        self.fuse.point(f"after telling {type(message).__name__}")

    def gone(self) -> None:
        self.is_open = False
        self.world.exchange.pool_died()

    def tasks_known(self):
        """Return every task: those in memory, and those that are rows."""
        return ChainMap(self.scheduler.engine.tasks, self.journal.archive._tasks)


class Pretender:
    """A worker's results client that stores nothing."""

    def __init__(self, upload) -> None:
        self.upload = upload


class Node(Program):
    """A worker. ``is_cut`` keeps it from reaching the pool, ``twist`` makes its stages dishonest."""

    new_journal = FusedJournal.of_worker

    def __init__(self, world, wallet, app, folder: Path, *, slots: int = 1) -> None:
        super().__init__(world)
        self.wallet, self.address, self.slots = wallet, wallet.address, slots
        self.name, self.gpu, self.is_cut = f"w{len(world.nodes)}", False, False
        self.is_honest = True  # unless a test makes it otherwise
        self.claims, self.is_mute, self.parts = lambda can: can, False, HONEST
        self.gpus: tuple[Gpu, ...] = ()
        self.claim_grace = Seconds(300)
        self.runtime = NoopRuntime({world.image: app})
        self.fetcher, self.folder = TableFetcher(), folder
        self.watcher, self.pretends, self.twist = (
            self.reach.watcher,
            None,
            lambda _node, stages: stages,
        )

    def made(self, tasks, journal, **changes) -> Worker:
        """Put the worker together; ``changes`` are other ports or parts than the node's own."""
        fuse, ports = self.fuse, {"rules": self.rules, **changes}
        client = (
            Pretender(self.pretends) if self.pretends else self.world.results.client(self.address)
        )
        results = Fused(client, fuse, "upload")

        async def at_results():
            return results

        ports = {
            "hub": self.reach.hub,
            "watcher": self.watcher,
            "sender": self.sender(),
            "runtime": Fused(self.runtime, fuse, "pull", "run", "kill"),
            "fetcher": Fused(self.fetcher, fuse, "fetch"),
            "results": at_results,
            "place": ResultsPlace(),
            "link": self,
            "clock": self.world.clock,
            "boundary": Watching(self.world.contained),
            "gpus": self.gpus,
            **ports,
        }
        rules = ports.pop("rules")
        return Worker(
            self.address, self.world.workerpool, self.name, self.folder, self.slots, rules,
            journal=journal, tasks=tasks, **ports,
        )  # fmt: skip

    @property
    def rules(self) -> Rules:
        """What the operator allows a task."""
        return Rules(
            LIMITS,
            download_timeout=Seconds(60),
            pull_timeout=Seconds(60),
            claim_grace=self.claim_grace,
        )

    def wrap(self, honest, *around):
        """Return the node's stages: those of its parts, twisted, with a fuse."""
        stages = self.parts.stages(honest, *around)
        return FusedStages(self.twist(self, stages), self.fuse, self.journal)

    async def _main(self) -> None:
        async with asyncio.TaskGroup() as self.tasks:
            parts = replace(self.parts, stages=self.wrap, link=HONEST.link, journal=HONEST.journal)
            self.worker = self.made(self.tasks, self.journal, parts=parts)
            self.member = self.worker.member
            if self.gpus:
                about = self.worker.reports.about
                self.member.joined.connect(lambda: about("runc", len(self.gpus)))
            first: BlockNumber = (await self.worker.retry.ask(self.reach.hub.head)).number
            self.keep()
            self.member.shell.recover()
            self.has_recovered = True
            self.worker.follow(first)
            self.world.exchange.dial(self)

    def pause(self, reason) -> None:
        """Have the operator pause the worker (None: go on), from inside of the program."""

        async def asked() -> None:
            self.member.pause(reason)

        self.tasks.create_task(asked())

    def computing(self) -> int:
        """Count the apps that run now."""
        return sum(not app.done() for app in self.runtime._containers.values())

    def send(self, message) -> None:
        """Implement ``worker.reports.PoolLink``."""
        if self.is_mute and not isinstance(message, Capacity):
            return
        self.fuse.point(f"before sending {type(message).__name__}")
        if isinstance(message, ReportBatch):
            check_told_by_worker(message, self.journal)
        self.world.exchange.send(self, message)
        self.fuse.point(f"after sending {type(message).__name__}")

    def listen(self, session) -> None:
        self.tasks.create_task(self._listen(session))

    async def _listen(self, session) -> None:
        while True:
            item = await session.to_node.take()
            if item is LOST:
                await self.member.disconnected("the session is gone", 1.0)
                return
            if not session.is_open:
                continue
            self.fuse.point("before listening")
            if isinstance(item, Welcome):
                session.is_ready = True
                await self.member.connected(item)
            else:
                await self.member.received(item)

    def gone(self) -> None:
        self.world.exchange.lose(self)
