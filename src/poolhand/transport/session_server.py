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

from poolhand.domain.errors import PeerFault, PoolhandError, Refused, Unavailable
from poolhand.domain.units import Seconds
from poolhand.ports.signer import Signer
from poolhand.transport.gate import HubRules
from poolhand.transport.guarded_socket import GUARD, POLICY, Guard
from poolhand.transport.metering import LoginFlooded
from poolhand.transport.plumbing import Outbox, attempt, first_of
from poolhand.transport.session_hub import Seat, SessionHub
from poolhand.transport.waiting import neighbourhood
from poolhand.wire.fields import clip
from poolhand.wire.frames import decode
from poolhand.wire.handshake import LoginRefused, PoolFacts, ServerHandshake
from poolhand.wire.messages import SENTENCE, Reject
from poolhand.wire.session import encode_message

_log = structlog.get_logger()

PATH: Final = "/worker"
RETRY_AFTER: Final = Seconds(5)
"""Told to a worker that may try again where the fault itself does not say when."""
GOING, TOO_BIG = 1000, 1009
"""WebSocket close codes (RFC 6455, section 7.4.1)."""


class HandshakeTimeout(PeerFault):
    """The worker did not log in in time."""


class OversizedFrame(PeerFault):
    """A frame was over the limit; the WebSocket layer did not even read it."""


class BinaryFrame(PeerFault):
    """Frames of this protocol are text."""


class _Doors:
    """Counts sockets, and those among them not logged in yet, per client address and in all."""

    def __init__(self, rules: HubRules) -> None:
        self._most_sockets = rules.sockets_per_address
        self._most_greetings = rules.greetings_per_address
        self._most_in_all = rules.greetings
        self._sockets: Counter[str] = Counter()
        self._greetings: Counter[str] = Counter()

    def is_open(self, address: str) -> bool:
        """Whether one more connection from there is admitted."""
        return (
            self._sockets[address] < self._most_sockets
            and self._greetings[address] < self._most_greetings
            and self._greetings.total() < self._most_in_all
        )

    def socket(self, address: str) -> AbstractContextManager[None]:
        """Count an open socket."""
        return _counted(self._sockets, address)

    def greeting(self, address: str) -> AbstractContextManager[None]:
        """Count a socket in its handshake."""
        return _counted(self._greetings, address)


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
            link = Outbox(self._hub.rules.outbox)
            seat = await self._greet(socket, address, link)
            if seat is not None:
                await self._converse(socket, seat, link)

    # ------------------------------------------------------------------------------ handshake

    async def _greet(self, socket: WebSocket, address: str, link: Outbox) -> Seat | None:
        """Let the worker log in; None when it was rejected or went away."""
        fault: PoolhandError
        try:
            with self._doors.greeting(address):
                async with asyncio.timeout(self._hub.rules.handshake_timeout):
                    return await self._log_in(socket, address, link)
        except TimeoutError:
            fault = HandshakeTimeout("the login did not come in time")
        except WebSocketDisconnect as gone:
            if gone.code != TOO_BIG:
                return None
            fault = OversizedFrame("the login is larger than a frame may be")
        except (Refused, PeerFault, Unavailable) as refusal:
            fault = refusal
        _log.warning("login_rejected", address=address, cause=fault.code, detail=str(fault))
        await self._say_goodbye(socket, encode_message(_reject(fault)), POLICY)
        return None

    async def _log_in(self, socket: WebSocket, address: str, link: Outbox) -> Seat:
        clock = self._hub.clock
        handshake = ServerHandshake(self._facts, self._hub.nonce())
        await socket.send_text(encode_message(handshake.hello(clock.now())))
        frame = decode(await _text(socket))
        login, proof = handshake.login(frame.message, clock.now())
        await self._hub.gate.admit(login)
        # From here to ``resend`` nothing waits, so that the welcome is the first frame queued.
        seat, terms = self._hub.admit(login, address, link)
        link.put(encode_message(handshake.welcome(self._signer.sign_message(proof), terms)))
        self._hub.resend(seat, login)
        if (guard := _guard(socket)) is not None:
            guard.logged_in()
        return seat

    # --------------------------------------------------------------------------- conversation

    async def _converse(self, socket: WebSocket, seat: Seat, link: Outbox) -> None:
        """Carry frames both ways until either way ends; the session may outlive it."""
        try:
            await first_of(self._read(socket, seat, link), self._write(socket, link))
        except PeerFault as fault:
            self._blame(seat, link, fault)
        except (OSError, RuntimeError, WebSocketDisconnect):
            pass  # a dead connection: the session waits for its lease
        finally:
            self._hub.detach(seat, link)
        try:
            await self._say_goodbye(socket, link.farewell, GOING)
        finally:
            self._hub.hung_up(link)

    async def _read(self, socket: WebSocket, seat: Seat, link: Outbox) -> None:
        while True:
            frame = decode(await _text(socket))
            if seat.link is not link:
                return
            await self._hub.take(seat, frame)

    async def _write(self, socket: WebSocket, link: Outbox) -> None:
        while (frame := await link.next()) is not None:
            async with asyncio.timeout(self._hub.rules.write_timeout):
                await socket.send_text(frame)

    def _blame(self, seat: Seat, link: Outbox, fault: PeerFault) -> None:
        """End the session of a worker that broke the protocol, and say so."""
        if seat.link is link:
            self._hub.blame(seat.arrival.worker, fault)

    async def _say_goodbye(self, socket: WebSocket, frame: str | None, code: int) -> None:
        """Send a last frame and close; whoever is gone already misses it."""
        seconds = self._hub.rules.write_timeout
        if frame is not None:
            await attempt(socket.send_text(frame), seconds, WebSocketDisconnect)
        await attempt(socket.close(code), seconds, WebSocketDisconnect)


async def _text(socket: WebSocket) -> str:
    """Wait for the next text frame.

    Raises:
        WebSocketDisconnect: The connection ended.
        OversizedFrame, BinaryFrame, …: The worker broke the protocol.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        code, guard = int(message.get("code", GOING)), _guard(socket)
        if guard is not None and guard.fault is not None:
            raise guard.fault
        if code == TOO_BIG:
            raise OversizedFrame("a frame was larger than the protocol admits")
        raise WebSocketDisconnect(code)
    text = message.get("text")
    if not isinstance(text, str):
        raise BinaryFrame("a frame was binary")
    return text


def _guard(socket: WebSocket) -> Guard | None:
    """Return what watches the connection below; None where it has no wire of ours."""
    guard = socket.scope.get("extensions", {}).get(GUARD)
    return guard if isinstance(guard, Guard) else None


def _reject(fault: PoolhandError) -> Reject:
    """Say why there is no session, and when to come back, if ever."""
    retry_after: Seconds | None = None
    if isinstance(fault, LoginRefused):
        retry_after = fault.retry_after
    elif isinstance(fault, Unavailable | HandshakeTimeout | LoginFlooded):
        retry_after = RETRY_AFTER
    return Reject(fault.code, clip(str(fault), SENTENCE), retry_after)
