"""The WebSocket endpoint ``/worker``: handshake, then frames between socket and hub."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from poolhand.domain.errors import EndsProgram, PeerFault, PoolhandError, Refused, Unavailable
from poolhand.domain.units import Seconds
from poolhand.ports.signer import Signer
from poolhand.transport.gate import HubRules
from poolhand.transport.guarded_socket import GOING, GUARD, POLICY, Guard
from poolhand.transport.metering import LoginFlooded
from poolhand.transport.plumbing import attempt
from poolhand.transport.session_hub import SessionHub, WorkerSession
from poolhand.transport.waiting import neighbourhood
from poolhand.wire.fields import clip
from poolhand.wire.frames import decode, encode
from poolhand.wire.handshake import LoginRefused, PoolFacts, ServerHandshake
from poolhand.wire.messages import Reject
from poolhand.wire.session_terms import MAX_SENTENCE

_log = structlog.get_logger()

PATH: Final = "/worker"
WORKER_RETRIES_AFTER: Final = Seconds(5)
"""Told to a worker that may try again where the fault itself does not say when."""
TOO_BIG: Final = 1009
"""WebSocket close code: a message that is too big (RFC 6455, section 7.4.1)."""


class HandshakeTimeout(PeerFault):
    """The worker did not log in in time."""


class OversizedFrame(PeerFault):
    """A frame was over the limit; the WebSocket layer did not even read it."""


class BinaryFrame(PeerFault):
    """Frames of this protocol are text."""


class _Doors:
    """Counts sockets, and those among them not logged in yet, per client address and in all."""

    def __init__(self, rules: HubRules) -> None:
        self._rules = rules
        self._sockets: Counter[str] = Counter()
        self._greetings: Counter[str] = Counter()
        self._in_all = 0

    def is_open(self, address: str) -> bool:
        """Whether one more connection from there is admitted."""
        return (
            self._sockets[address] < self._rules.sockets_per_address
            and self._greetings[address] < self._rules.greetings_per_address
            and self._in_all < self._rules.greetings
        )

    def socket(self, address: str) -> AbstractContextManager[None]:
        """Count an open socket."""
        return _counted(self._sockets, address)

    @contextmanager
    def greeting(self, address: str) -> Iterator[None]:
        """Count a socket in its handshake."""
        self._in_all += 1
        try:
            with _counted(self._greetings, address):
                yield
        finally:
            self._in_all -= 1


@contextmanager
def _counted(counter: Counter[str], key: str) -> Iterator[None]:
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]


def worker_endpoint(hub: SessionHub, signer: Signer, facts: PoolFacts) -> WebSocketRoute:
    """Return the route at which workers connect.

    Args:
        hub: The sessions; its ``run`` must be running for anybody to be let in.
        signer: The workerpool owner's wallet; signs the proofs.
        facts: What is announced; ``facts.url`` is the address that workers must have dialled.
    """
    porch = _Porch(hub, signer, facts)
    return WebSocketRoute(PATH, porch.receive, name="worker")


class _Porch:
    """Receives connections."""

    def __init__(self, hub: SessionHub, signer: Signer, facts: PoolFacts) -> None:
        self._hub, self._signer, self._facts = hub, signer, facts
        self._doors = _Doors(hub.rules)

    async def receive(self, socket: WebSocket) -> None:
        """Serve one connection from its first to its last byte."""
        address = neighbourhood(socket.client.host if socket.client else "")
        if not self._doors.is_open(address):
            _log.warning("worker_turned_away", address=address, cause="too many connections")
            await socket.close(POLICY)
            return
        with self._doors.socket(address):
            await socket.accept()
            outlet = SocketOutlet(guard_of(socket))
            session = await self._greet(socket, address, outlet)
            if session is not None:
                await self._converse(socket, session, outlet)

    # ------------------------------------------------------------------------------ handshake

    async def _greet(
        self, socket: WebSocket, address: str, outlet: SocketOutlet
    ) -> WorkerSession | None:
        """Let the worker log in; None when it was rejected or went away."""
        fault: PoolhandError
        try:
            with self._doors.greeting(address):
                async with asyncio.timeout(self._hub.rules.handshake_timeout):
                    return await self._log_in(socket, address, outlet)
        except TimeoutError:
            fault = HandshakeTimeout("the login did not come in time")
        except WebSocketDisconnect as gone:
            if gone.code != TOO_BIG:
                return None
            fault = OversizedFrame("the login is larger than a frame may be")
        except EndsProgram:
            raise
        except (Refused, PeerFault, Unavailable) as refusal:
            fault = refusal
        _log.warning("login_rejected", address=address, cause=fault.code, detail=str(fault))
        await self._say_goodbye(socket, encode(_reject(fault)), POLICY)
        return None

    async def _log_in(self, socket: WebSocket, address: str, outlet: SocketOutlet) -> WorkerSession:
        clock, hub = self._hub.clock, self._hub
        handshake = ServerHandshake(self._facts, hub.nonce())
        outlet.put(encode(handshake.hello(clock.now())))
        said = await _text(socket)
        await hub.logins.next()
        login, proof = handshake.login(decode(said), clock.now())
        hub.gate.admit(login)
        session, terms = hub.admit(login, address, outlet)
        outlet.put(encode(handshake.welcome(self._signer.sign_message(proof), terms)))
        guard_of(socket).logged_in(lambda: hub.hear(session))
        hub.arrived(session)
        return session

    # --------------------------------------------------------------------------- conversation

    async def _converse(
        self, socket: WebSocket, session: WorkerSession, outlet: SocketOutlet
    ) -> None:
        """Take what the worker says until either way ends; it may come back within its lease."""
        try:
            while _is_on(session, outlet):
                said = await _text(socket)
                await self._hub.messages.next()
                if _is_on(session, outlet):
                    self._hub.take(session, decode(said))
        except PeerFault as fault:
            if session.outlet is outlet:
                self._hub.blame(session.arrival.worker, fault)
        except (OSError, RuntimeError, WebSocketDisconnect):
            pass  # a dead connection: the session waits for its lease
        finally:
            self._hub.detach(session, outlet)
        try:
            await self._say_goodbye(socket, outlet.farewell, GOING)
        finally:
            self._hub.hung_up(outlet)

    async def _say_goodbye(self, socket: WebSocket, frame: str | None, code: int) -> None:
        """Send a last frame and close; whoever is gone already misses it."""
        seconds = self._hub.rules.write_timeout
        if frame is not None:
            await attempt(socket.send_text(frame), seconds, WebSocketDisconnect)
        await attempt(socket.close(code), seconds, WebSocketDisconnect)


class SocketOutlet:
    """Implements ``session_hub.Outlet`` over a guarded socket."""

    __slots__ = ("_guard", "farewell", "is_ended")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.is_ended, self.farewell = False, None  # type: bool, str | None

    def put(self, text: str) -> None:
        """Write a frame, unless the connection is to end."""
        if not self.is_ended:
            self._guard.write(text)

    def end(self, farewell: str | None = None) -> None:
        """Have the endpoint say its last word and hang up."""
        if not self.is_ended:
            self.is_ended, self.farewell = True, farewell
            self._guard.wake()


def _is_on(session: WorkerSession, outlet: SocketOutlet) -> bool:
    """Whether a session is still led over a connection."""
    return session.outlet is outlet and not outlet.is_ended


async def _text(socket: WebSocket) -> str:
    """Wait for the next text frame.

    Raises:
        WebSocketDisconnect: The connection ended.
        OversizedFrame, BinaryFrame, …: The worker broke the protocol.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        code, fault = int(message.get("code", GOING)), guard_of(socket).fault
        if fault is not None:
            raise fault
        if code == TOO_BIG:
            raise OversizedFrame("a frame was larger than the protocol admits")
        raise WebSocketDisconnect(code)
    text = message.get("text")
    if not isinstance(text, str):
        raise BinaryFrame("a frame was binary")
    return text


def guard_of(socket: WebSocket) -> Guard:
    """Return what watches the connection below."""
    guard = socket.scope["extensions"][GUARD]
    assert isinstance(guard, Guard)
    return guard


def _reject(fault: PoolhandError) -> Reject:
    """Say why there is no session, and when to come back, if ever."""
    retry_after: Seconds | None = None
    if isinstance(fault, LoginRefused):
        retry_after = fault.retry_after
    elif isinstance(fault, Unavailable | HandshakeTimeout | LoginFlooded):
        retry_after = WORKER_RETRIES_AFTER
    return Reject(fault.code, clip(str(fault), MAX_SENTENCE), retry_after)
