"""A pool's endpoint and workers in one loop, with a cable between them that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from websockets.asyncio.client import ClientConnection, connect

from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.keys.wallet import Wallet
from poolhand.ports.clock import Clock
from poolhand.transport.asgi import application, bind, port_of, serve_on
from poolhand.transport.clock import ManualClock, SeededEntropy
from poolhand.transport.gate import Arrival, HubRules
from poolhand.transport.listener import ClientRules
from poolhand.transport.metering import SocketLimits
from poolhand.transport.session_client import SessionClient
from poolhand.transport.session_hub import SessionHub
from poolhand.transport.session_server import worker_endpoint
from poolhand.transport.waiting import limits_for
from poolhand.wire.frames import decode, encode
from poolhand.wire.handshake import ClientHandshake, PoolFacts, socket_url
from poolhand.wire.messages import Capabilities, Capacity, Close, Idle, Welcome
from poolhand.wire.session_terms import SPOKEN

OWNER = Wallet.from_key(bytes([1] * 32))
HUB, POOL = Address(bytes([7] * 20)), Address(bytes([8] * 20))
CAN = Capabilities("w", "0", 2, 1, 10**9, (), False, Nonce(bytes(32)))
HASTY = ClientRules(first_pause=0, last_pause=0)
"""Connect again at once, whatever the clock says."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something is so; the test's own timeout ends a vain wait."""
    while not condition():  # noqa: ASYNC110 - many conditions, none with an event of its own
        await asyncio.sleep(0)


async def settled(g) -> None:
    """Let what is on the cable arrive: a message to each side and back."""
    for _ in range(50):
        await asyncio.sleep(0)


def capacity(number: int) -> Capacity:
    return Capacity(str(number))


def idle(number: int) -> Idle:
    return Idle({"number": number})


class Cable:
    """Carries bytes between workers and the pool; everything on it is lost when it is cut."""

    def __init__(self, port: int) -> None:
        self.pool = port
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()
        self.is_up = True
        self.stalled = False
        self.cut_after: Callable[[], int] | None = None
        self.accepted = 0

    async def lay(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def remove(self) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.accepted += 1
        ends = [writer]
        self._ends.add(writer)
        try:
            if not self.is_up:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.pool)
            ends.append(far_writer)
            self._ends.add(far_writer)
            left = [self.cut_after() if self.cut_after else 10**9]
            await asyncio.gather(
                self._pump(reader, far_writer, left), self._pump(far_reader, writer, left)
            )
        except OSError:
            pass
        finally:
            for end in ends:
                end.transport.abort()
                self._ends.discard(end)

    async def _pump(self, reader, writer, left) -> None:
        while chunk := await reader.read(512):
            left[0] -= len(chunk)
            if left[0] < 0:
                raise OSError("cut")
            if not self.stalled:
                writer.write(chunk)
                await writer.drain()
        raise OSError("ended")


@dataclass
class Gate:
    """A scheduler that notes what happens."""

    log: list = field(default_factory=list)
    refusal: Exception | None = None
    blame: Exception | None = None

    def admit(self, login) -> None:
        if self.refusal is not None:
            raise self.refusal

    def connected(self, arrival: Arrival) -> None:
        self.log.append(("connected", arrival.worker))

    def received(self, worker: Address, message) -> None:
        if self.blame is not None:
            raise self.blame
        self.log.append(("received", worker, message))

    def lost(self, worker: Address) -> None:
        self.log.append(("lost", worker))

    def heard(self, worker: Address) -> list:
        return [entry[2] for entry in self.log if entry[:2] == ("received", worker)]

    def events(self) -> list[str]:
        return [entry[0] for entry in self.log if entry[0] != "received"]


@dataclass
class Worker:
    """A listener that notes what happens, and its client."""

    wallet: Wallet
    heard: list = field(default_factory=list)
    welcomes: list[Welcome] = field(default_factory=list)
    partings: list[tuple[str, float | None]] = field(default_factory=list)
    on_welcome: Callable[[Welcome], None] = lambda _: None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    client: SessionClient = None
    taken: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    @property
    def address(self) -> Address:
        return self.wallet.address

    async def connected(self, welcome: Welcome) -> None:
        self.welcomes.append(welcome)
        self.on_welcome(welcome)

    async def received(self, message) -> None:
        self.taken += 1
        await self.open.wait()
        self.heard.append(message)

    async def disconnected(self, reason: str, retry_in: float | None) -> None:
        self.partings.append((reason, retry_in))

    def held(self):
        return ()


@dataclass
class Ground:
    """Everything of one test."""

    gate: Gate
    hub: SessionHub
    clock: ManualClock
    cable: Cable
    facts: PoolFacts
    tasks: asyncio.TaskGroup
    instances: int = 0

    def capabilities(self) -> Capabilities:
        self.instances += 1
        return replace(CAN, instance=Nonce(self.instances.to_bytes(32, "big")))

    def worker(
        self, number: int = 2, rules: ClientRules = HASTY, clock: Clock | None = None, **changes
    ) -> Worker:
        made = Worker(Wallet.from_key(bytes([number] * 32)))
        made.client = SessionClient(
            replace(self.facts, **{"versions": SPOKEN, **changes}),
            OWNER.address,
            made.wallet,
            self.capabilities(),
            clock or self.clock,
            SeededEntropy(number),
            rules,
        )
        return made

    def start(self, *workers: Worker) -> list[asyncio.Task]:
        return [self.tasks.create_task(worker.client.run(worker)) for worker in workers]

    async def joined(self, number: int = 2, rules: ClientRules = HASTY) -> Worker:
        made = self.worker(number, rules)
        self.start(made)
        await until(lambda: made.welcomes)
        return made

    @asynccontextmanager
    async def raw(self, number: int = 2):
        """Log in by hand; what follows is up to the test."""
        wallet = Wallet.from_key(bytes([number] * 32))
        async with self.socket() as socket:
            side = ClientHandshake(self.facts, wallet.address, Nonce(bytes(32)))
            said = side.hello(decode(await socket.recv()), self.clock.now())
            login = side.login(wallet.sign_message(said), self.capabilities(), ())
            await socket.send(encode(login))
            side.welcome(decode(await socket.recv()), OWNER.address, self.clock.now())
            yield socket

    def socket(self, **more) -> connect:
        return connect(
            socket_url(self.facts.url), compression=None, proxy=None, ping_interval=None, **more
        )


async def farewell(socket: ClientConnection) -> Close:
    """Read to the pool's Close, which must be its last frame."""
    last = None
    async for frame in socket:
        last = decode(frame)
    assert isinstance(last, Close), last
    return last


@asynccontextmanager
async def ground(
    signer: Wallet = OWNER,
    sockets: SocketLimits = SocketLimits(),
    gate: Gate | None = None,
    versions: tuple[int, ...] = SPOKEN,
    **rules,
) -> AsyncIterator[Ground]:
    """Run a pool behind a cable."""
    listener = bind("127.0.0.1", 0)
    cable = Cable(port_of(listener))
    gate, clock, up = gate or Gate(), ManualClock(), asyncio.Event()
    hub = SessionHub(clock, SeededEntropy(1), "http://r", HubRules(**rules))
    facts = PoolFacts(31337, HUB, POOL, await cable.lay(), versions)
    app = application("pool", [worker_endpoint(hub, signer, facts)])
    limits = replace(limits_for(1_024), sockets=sockets)
    running = [
        asyncio.ensure_future(hub.run(gate)),
        asyncio.ensure_future(serve_on(app, listener, lambda _: up.set(), limits)),
    ]
    await up.wait()
    try:
        async with asyncio.TaskGroup() as tasks:
            yield Ground(gate, hub, clock, cable, facts, tasks)
            for task in list(tasks._tasks):
                task.cancel()
    finally:
        await cable.remove()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
