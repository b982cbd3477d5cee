"""A whole scheduler behind real sockets on the loopback."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from session_player import with_sessions
from websockets.asyncio.client import connect

from network.links import capabilities
from poolhand.domain.messages import Nonce
from poolhand.domain.units import UnixSeconds
from poolhand.transport.asgi import application, bind, port_of, serve_on
from poolhand.transport.session_server import worker_endpoint
from poolhand.wire.frames import decode, encode
from poolhand.wire.handshake import ClientHandshake, PoolFacts, socket_url
from poolhand.wire.messages import Capacity, ReportBatch, StatusReport
from poolhand.wire.session_terms import SESSION_VERSION


async def until(met):
    """Let the loop run until something is so; the test's own timeout ends a vain wait."""
    while not met():  # noqa: ASYNC110 - many conditions, none with an event of its own
        await asyncio.sleep(0)


@dataclass
class Front:
    """Where workers dial."""

    world: object
    facts: PoolFacts

    @asynccontextmanager
    async def dial(self, wallet, **changes):
        """Log in with a wallet; gives the line, logged in."""
        async with connect(
            socket_url(self.facts.url), compression=None, proxy=None, ping_interval=None
        ) as socket:
            line = Line(self.world, wallet, socket)
            await line.log_in(self.facts, **changes)
            yield line


class Line:
    """One connection of a worker that is played by hand; ``heard`` is what it was told."""

    slots, gpu, name = 1, False, "by hand"

    def __init__(self, world, wallet, socket) -> None:
        self.world, self.wallet, self.socket = world, wallet, socket
        self.heard, self.reports = [], 0

    async def log_in(self, facts, version="0.1.0", newest=SESSION_VERSION):
        """Go through the handshake, as a worker that knows no newer one; raises Rejected."""
        clock, owner = self.world.clock, self.world.owner.address
        side = ClientHandshake(facts, self.wallet.address, Nonce(bytes(32)))
        hello = decode(await self.socket.recv())
        known = tuple(each for each in hello.versions if each <= newest)
        said = side.hello(replace(hello, versions=known), clock.now())
        can = capabilities(self)
        can = type(can)(**{**{f: getattr(can, f) for f in can.__slots__}, "version": version})
        login = side.login(self.wallet.sign_message(said), can, ())
        await self.socket.send(encode(login))
        side.welcome(decode(await self.socket.recv()), owner, clock.now())
        await self.says(Capacity(None))

    async def says(self, message):
        await self.socket.send(encode(message))

    async def tells(self, task_id, *statuses):
        now = UnixSeconds(self.world.clock.now())
        entries = tuple(StatusReport(each, now, None, None) for each in statuses)
        await self.says(ReportBatch(task_id, self.reports, entries, None))
        self.reports += len(entries)

    async def hears(self, kind):
        """Read until a message of a kind comes."""
        while True:
            message = decode(await self.socket.recv())
            self.heard.append(message)
            if isinstance(message, kind):
                return message


@asynccontextmanager
async def front(world):
    """Open a running pool's doors."""
    sessions, listener = with_sessions(world), bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port_of(listener)}"
    facts = PoolFacts(31337, world.chain.facts.hub, world.workerpool, url)
    up = asyncio.Event()
    app = application("pool", [worker_endpoint(sessions, world.owner, facts)])
    serving = asyncio.ensure_future(serve_on(app, listener, lambda _: up.set()))
    await up.wait()
    try:
        yield Front(world, facts)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
