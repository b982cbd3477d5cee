"""A pool's scheduler on a chain in memory, with workers that compute nothing: all that costs is ours.

The journal is the real one, a database on the disk. Workers are reached in memory, but every
message passes the real codec. What the fake chain itself costs is counted apart (``chain_s``), for
no pool has its chain in the same loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bench.orders import Market
from poolhand.chain.fake import FakeChain
from poolhand.chain.fake.assets import predict
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.onchain import CreateApp, CreateWorkerpool
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.observe.collection import without_full_searches
from poolhand.scheduler.composition import Scheduler
from poolhand.settings.chain import ChainSettings
from poolhand.settings.pool import PoolSettings
from poolhand.store.group import grouped
from poolhand.store.section import LogSection
from poolhand.store.sql import SqlJournal
from poolhand.transport.clock import SystemClock, SystemEntropy
from poolhand.transport.gate import Arrival
from poolhand.wire.frames import decode, encode
from poolhand.wire.messages import Capabilities, Capacity, SchedulerBound, WorkerBound

PRICE = 100 * NANO_PER_RLC
STAKE = 10**6 * NANO_PER_RLC
Heard = Callable[[Address, WorkerBound], None]


class SimulatedPool:
    """One pool, its chain, and the ends of its workers' sessions.

    Attributes:
        heard: Called with each message that a worker receives.
        chain_s: Seconds that the fake chain has taken of the loop.
        chain_cpu_s: Seconds of the processor among them.
    """

    def __init__(self, workers: int) -> None:
        self.chain = FakeChain(automine=False, start=int(time.time()))
        self.requester, self.owner = _wallet(1), _wallet(2)
        for wallet in (self.requester, self.owner):
            self.chain.fund(wallet.address, stake=NanoRlc(10**9 * NANO_PER_RLC))
        self.workers = [Address((number + 1).to_bytes(20, "big")) for number in range(workers)]
        for worker in self.workers:
            self.chain.fund(worker, stake=NanoRlc(STAKE))
        self.workerpool = self._create(CreateWorkerpool(self.owner.address, "pool"))
        made = CreateApp(self.owner.address, "noop", b"registry.test/noop:1", bytes([7] * 32))
        self.app = self._create(made)
        self.chain.mine()
        self._market = Market(
            self.chain.domain, self.app, self.workerpool, self.owner, self.requester, NanoRlc(PRICE)
        )
        self.heard: Heard = lambda _worker, _message: None
        self.chain_s, self.chain_cpu_s, self._bags = 0.0, 0.0, 0
        self._said: deque[tuple[Address, SchedulerBound]] = deque()
        self._spoken = asyncio.Event()

    def _create(self, asset: CreateApp | CreateWorkerpool) -> Address:
        self.chain.submit(self.owner.address, asset)
        return predict(asset)

    def settings(self, home: Path) -> PoolSettings:
        return PoolSettings(
            chain=ChainSettings(("http://rpc.test",), self.chain.facts.hub),
            workerpool=self.workerpool,
            wallet=home / "wallet",
            password="",
            database=f"sqlite:///{home / 'pool.db'}",
            prices={0: NanoRlc(PRICE)},
            trusted=frozenset(self.workers),
            preflight=False,
        )

    @asynccontextmanager
    async def served(self, home: Path, slots: int) -> AsyncIterator[Scheduler]:
        """Run the scheduler with all its workers connected; ``slots`` of each."""
        settings = self.settings(home)
        journal = SqlJournal(settings.database)
        try:
            with without_full_searches():
                async with self._running(settings, journal, slots) as scheduler:
                    yield scheduler
        finally:
            journal.close()

    @asynccontextmanager
    async def _running(
        self, settings: PoolSettings, journal: SqlJournal, slots: int
    ) -> AsyncIterator[Scheduler]:
        async with grouped(journal) as events, asyncio.TaskGroup() as tasks:
            scheduler = Scheduler(
                settings,
                self.chain.hub,
                self.chain.watcher,
                self.chain.sender(self.owner),
                self.owner,
                LogSection(events, "task"),
                SystemClock(),
                SystemEntropy(),
                tell=self._tell,
                reputations=LogSection(events, "reputation"),
            )
            ready = asyncio.Event()
            running = [tasks.create_task(scheduler.run(ready.set))]
            await ready.wait()
            running.append(tasks.create_task(self._listen(scheduler)))
            for worker in self.workers:
                scheduler.workers.connected(arrival(worker, slots))
                self.say(worker, Capacity(None))
            yield scheduler
            for each in running:
                each.cancel()

    # --------------------------------------------------------------------------------- sessions

    def _tell(self, worker: Address, message: WorkerBound) -> None:
        self.heard(worker, passed(message))

    def say(self, worker: Address, message: SchedulerBound) -> None:
        """Let a worker say something; the pool hears it in its turn."""
        self._said.append((worker, message))
        self._spoken.set()

    async def _listen(self, scheduler: Scheduler) -> None:
        while True:
            await self._spoken.wait()
            self._spoken.clear()
            while self._said:
                worker, message = self._said.popleft()
                scheduler.workers.received(worker, passed(message))
                await asyncio.sleep(0)  # as a socket would: others have their turn

    # ------------------------------------------------------------------------------------ chain

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Count what is done as the fake chain's time."""
        began, worked = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.chain_s += time.perf_counter() - began
            self.chain_cpu_s += time.thread_time() - worked

    def buy(self, tasks: int, trust: int = 1) -> None:
        """Mine a deal."""
        with self.apart():
            self._bags += 1
            order = self._market.bag(tasks, trust, self._bags)
            self.chain.submit(self.requester.address, order)
            self.chain.mine()


def arrival(worker: Address, slots: int) -> Arrival:
    """Return the login of a worker that holds nothing."""
    can = Capabilities("w", "99", slots, slots, 2**34, (), gpu=False, instance=Nonce(bytes(32)))
    return Arrival(worker, can, (), "127.0.0.1", SystemClock().now())


def passed(message):  # type: ignore[no-untyped-def]
    """Return a message as the other side reads it."""
    return decode(encode(message))


def _wallet(number: int) -> Wallet:
    return Wallet.from_key(bytes([number] * 32))
