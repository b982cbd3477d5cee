"""Thousands of light workers in one process: they speak the real protocol and compute nothing.

``python -m bench.crowd`` reads one line of JSON (``Crowd``) and prints one per second (``Told``).
Handshake and messages are those of ``poolhand.wire``; only the WebSocket below is our own and the
pool's proof is not checked, so that the crowd costs less than the pool that is measured.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import random
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.messages import Nonce
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.wire.frames import decode, encode
from poolhand.wire.handshake import ClientHandshake, PoolFacts
from poolhand.wire.messages import (
    Aborted,
    Capabilities,
    Capacity,
    Close,
    Completed,
    Held,
    Hello,
    OfferTask,
    Reject,
    ReportBatch,
    SchedulerBound,
    StatusReport,
    Welcome,
)
from poolhand.wire.session import HEARTBEAT, Beat, Heartbeat

FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
"""Of a worker whose pool is away, as in ``transport.listener.ClientRules``."""
TEXT, CLOSE = 0x1, 0x8
"""Opcodes of a WebSocket (RFC 6455, section 5.2)."""
COMPUTING = (
    Status.RUNNING,
    Status.APP_DOWNLOADING,
    Status.APP_DOWNLOADED,
    Status.DATA_DOWNLOADING,
    Status.DATA_DOWNLOADED,
    Status.COMPUTING,
)


@dataclass(frozen=True)
class Crowd:
    """What a process is to be: ``count`` workers from the number ``first`` on.

    ``at_once`` is how many of them may be logging in at the same time; ``node`` is the chain's RPC,
    for workers that send transactions; ``address`` is the one from which all of them come, as
    behind a router; empty: each has its own.
    """

    url: str
    chain_id: int
    hub: str
    workerpool: str
    first: int
    count: int
    at_once: int = 64
    slots: int = 1
    node: str = ""
    address: str = ""

    def facts(self) -> PoolFacts:
        hub, pool = Address.parse(self.hub), Address.parse(self.workerpool)
        return PoolFacts(self.chain_id, hub, pool, self.url)


@dataclass
class Told:
    """How they are now; ``lost`` counts replicates that the pool took away."""

    connected: int = 0
    welcomes: int = 0
    rejected: int = 0
    hung_up: int = 0
    held: int = 0
    lost: int = 0
    paid: int = 0
    reverted: int = 0
    dropped: list[str] = field(default_factory=list)
    cpu_s: float = 0.0


class Timers:
    """One timer for everybody: a heap, looked at a few times per second."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), act))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            now = time.monotonic()
            while self._heap and self._heap[0][0] <= now:
                heapq.heappop(self._heap)[2]()


class LightWorker:
    """One wallet, its session and what it holds."""

    def __init__(self, crowd: Crowd, number: int, told: Told, timers: Timers) -> None:
        self.crowd, self.told, self.timers = crowd, told, timers
        own = f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"
        self.source = crowd.address or own
        self.wallet = wallet_of(number)
        instance = Nonce(os.urandom(32))
        self.can = Capabilities(f"w{number}", "99", 2, crowd.slots, 2**32, (), False, instance)
        self.held: dict[TaskId, int] = {}
        self.wire: Wire | None = None
        self.pause, self.dialling = 0.0, False
        self.beat = 0
        self.said_at = UnixSeconds(0)
        self.heart = Heartbeat(HEARTBEAT, _now())

    async def dial(self, loop: asyncio.AbstractEventLoop) -> None:
        place = urlsplit(self.crowd.url)
        made = socket.socket()
        made.setblocking(False)
        try:
            made.bind((self.source, 0))
            await loop.sock_connect(made, (place.hostname or "", place.port or 80))
            await loop.create_connection(lambda: Wire(self), sock=made)
        except OSError:
            made.close()
            self.ended()

    # ------------------------------------------------------------------------------ what comes

    def heard(self, text: str) -> None:
        match decode(text):
            case Hello() as hello:
                self.greet(hello)
            case Welcome() as welcome:
                self.welcomed(welcome)
            case Reject() as reject:
                self.told.rejected += 1
                self.pause = max(self.pause, float(reject.retry_after or LAST_PAUSE))
            case Close() as close:
                self.told.dropped = [close.code, *self.told.dropped[:5]]
            case message:
                self.take(message)

    def greet(self, hello: Hello) -> None:
        side = ClientHandshake(self.crowd.facts(), self.wallet.address, Nonce(os.urandom(32)))
        said = side.hello(hello, _now())
        self.say(encode(side.login(self.wallet.sign_message(said), self.can, self.holding())))

    def holding(self) -> list[Held]:
        """Return what is told at a login."""
        return [Held(task, Status.COMPUTING) for task in self.held]

    def welcomed(self, welcome: Welcome) -> None:
        self.pause, self.dialling = 0.0, False
        self.told.connected += 1
        self.told.welcomes += 1
        self.beat = welcome.heartbeat_seconds
        self.heart = Heartbeat(welcome.heartbeat_seconds, _now())
        self.send(Capacity(None))
        self.again(self.wire)

    def again(self, wire: Wire | None) -> None:
        """Beat for as long as this connection lasts, as ``wire.session`` has it."""
        if wire is None or wire is not self.wire:
            return
        match self.heart.due(_now(), self.said_at):
            case Beat.PING:
                wire.beat(0x89)
            case Beat.PONG:
                wire.beat(0x8A)
            case Beat.LEAVE:
                wire.hang_up()
        self.timers.after(1.0, lambda: self.again(wire))

    def take(self, message: Any) -> None:
        match message:
            case OfferTask(task_id):
                self.hold(task_id)
            case Aborted(task_id) | Completed(task_id):
                if self.held.pop(task_id, None) is not None:
                    self.told.held -= 1
                    self.told.lost += 1

    def hold(self, task_id: TaskId) -> None:
        """Be computing from now on, for ever."""
        if task_id not in self.held:
            self.held[task_id] = len(COMPUTING)
            self.told.held += 1
        entries = tuple(report(each) for each in COMPUTING)
        self.send(ReportBatch(task_id, 0, entries, None))

    # ------------------------------------------------------------------------------- what goes

    def send(self, message: SchedulerBound) -> None:
        self.say(encode(message))

    def say(self, text: str) -> None:
        self.said_at = _now()
        if self.wire is not None:
            self.wire.write(text)

    def ended(self) -> None:
        """Come back later, as a worker does."""
        if self.beat:
            self.told.connected -= 1
            self.told.hung_up += 1
        self.wire, self.beat, self.dialling = None, 0, False
        longest = max(self.pause, FIRST_PAUSE)
        self.timers.after(longest * random.uniform(0.5, 1), self.queue)
        self.pause = min(longest * 2, LAST_PAUSE)

    def queue(self) -> None:
        QUEUE.put_nowait(self)


QUEUE: asyncio.Queue[LightWorker] = asyncio.Queue()


class Wire(asyncio.Protocol):
    """The least of a WebSocket's client end: whole text frames, masked with zeros."""

    def __init__(self, worker: LightWorker) -> None:
        self._worker, self._buffer, self._is_open = worker, bytearray(), False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._worker.wire = self
        key = b64encode(os.urandom(16)).decode()
        self._put(
            f"GET /worker HTTP/1.1\r\nHost: {urlsplit(self._worker.crowd.url).netloc}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._worker.ended()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._worker.heart.heard(_now())
        if not self._is_open and not self._upgraded():
            return
        while (text := self._frame()) is not None:
            self._worker.heard(text)

    def _upgraded(self) -> bool:
        head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if found:
            self._is_open, self._buffer = True, bytearray(rest)
            if not head.startswith(b"HTTP/1.1 101"):
                self.hang_up()
                return False
        return self._is_open

    def _frame(self) -> str | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        if len(buffer) < start + size:
            return None
        body, opcode = bytes(buffer[start : start + size]), buffer[0] & 0xF
        del buffer[: start + size]
        if opcode == CLOSE:
            self.hang_up()
            return None
        return body.decode() if opcode == TEXT else self._frame()

    def write(self, text: str) -> None:
        raw = text.encode()
        size = len(raw)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        self._put(head + b"\0\0\0\0" + raw)

    def beat(self, opcode: int) -> None:
        """Write a frame without content."""
        self._put(bytes([opcode]) + b"\x80\0\0\0\0")

    def _put(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def wallet_of(number: int) -> Wallet:
    """Return a worker's wallet: whoever knows its number may give it stake."""
    return Wallet.from_key((0xC0FFEE << 32 | number).to_bytes(32, "big"))


def _now() -> UnixSeconds:
    return UnixSeconds(int(time.time()))


def report(status: Status, tx: TxHash | None = None) -> StatusReport:
    """Return a status that is entered now."""
    return StatusReport(status, _now(), tx, None)


async def _dial_all(workers: list[LightWorker], at_once: int) -> None:
    """Log everybody in, ``at_once`` at a time, and again whoever comes to the queue."""
    loop = asyncio.get_running_loop()
    for worker in workers:
        QUEUE.put_nowait(worker)
    opening: set[LightWorker] = set()
    while True:
        opening = {each for each in opening if each.dialling}
        while len(opening) < at_once and not QUEUE.empty():
            worker = QUEUE.get_nowait()
            worker.dialling = True
            opening.add(worker)
            await worker.dial(loop)
        await asyncio.sleep(0.01)


async def run(
    crowd: Crowd,
    make: Callable[..., LightWorker] = LightWorker,
    *beside: Coroutine[Any, Any, None],
) -> None:
    """Be the crowd for ever; ``make`` is given what ``LightWorker`` is, ``beside`` runs as well."""
    told, timers = Told(), Timers()
    numbers = range(crowd.first, crowd.first + crowd.count)
    workers = [make(crowd, number, told, timers) for number in numbers]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(timers.run())
        tasks.create_task(_dial_all(workers, crowd.at_once))
        for each in beside:
            tasks.create_task(each)
        while True:
            told.cpu_s = time.process_time()
            print(json.dumps(asdict(told)), flush=True)
            await asyncio.sleep(0.25)


if __name__ == "__main__":
    asyncio.run(run(Crowd(**json.loads(sys.stdin.readline()))))
