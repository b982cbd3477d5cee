"""The worker's side of the protocol: one session after the other with the same pool.

``run`` dials, logs in and carries frames until it is cancelled or only a person can help. What the
pool says reaches the ``Listener`` in order. What the worker says while it is away is dropped: after
``connected`` the listener tells everything again from its journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias, get_args
from urllib.parse import urlsplit

import structlog
from websockets.exceptions import ConnectionClosed, WebSocketException

from poolhand import __version__
from poolhand.domain.errors import EndsProgram, Malformed, PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.signatures import BadSignature
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.signer import Signer
from poolhand.transport.guarded_client import Dial, GuardedClient
from poolhand.transport.listener import ClientRules, Listener
from poolhand.transport.places import Places, Resolve, resolve
from poolhand.transport.plumbing import Mailbox, Outbox, attempt, first_of, is_loopback
from poolhand.wire.fields import clip
from poolhand.wire.frames import MAX_SESSION_FRAME, decode, encode
from poolhand.wire.handshake import (
    STANDING_BY,
    ClientHandshake,
    ClockSkewed,
    PoolFacts,
    Rejected,
    VersionRefused,
    socket_url,
)
from poolhand.wire.message_versions import version_of
from poolhand.wire.messages import (
    Capabilities,
    Close,
    SchedulerBound,
    SessionMessage,
    Welcome,
    WorkerBound,
)
from poolhand.wire.session import Beat, Bucket, Heartbeat, SessionIntake
from poolhand.wire.session_terms import FIRST_SESSION_VERSION, MAX_SENTENCE, MAX_WORD

_log = structlog.get_logger()
_INBOUND: Final = get_args(WorkerBound)


class PoolSilent(Unavailable):
    """The pool has said nothing for a whole lease: the connection is dead."""


class PoolLeft(Unavailable):
    """The pool ended the session, or the connection broke."""


@dataclass(frozen=True, slots=True)
class _Left:
    """The connection is gone."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class _Joined:
    """There is a connection."""

    welcome: Welcome
    link: Outbox


_Item: TypeAlias = _Joined | WorkerBound | _Left


class SessionClient:
    """One worker's session with one pool.

    Args:
        facts: The pool as the worker is set up for it and has read it on chain.
        owner: The workerpool's owner, read on chain: whose proof is accepted.
        signer: The worker's wallet; signs logins and nothing else here.
        capabilities: Told at every login.
        clock: For heartbeat, lease and pauses.
        entropy: For challenges, and the chance in the pauses.
        rules: Limits.
        resolve: Finds the addresses behind the pool's name.

    Raises:
        BadUrl: ``facts.url`` cannot be dialled.
    """

    def __init__(
        self,
        facts: PoolFacts,
        owner: Address,
        signer: Signer,
        capabilities: Capabilities,
        clock: Clock,
        entropy: Entropy,
        rules: ClientRules = ClientRules(),
        resolve: Resolve = resolve,
    ) -> None:
        self._facts, self._owner, self._signer = facts, owner, signer
        self._capabilities = capabilities
        self._clock, self._entropy, self._rules = clock, entropy, rules
        self._address = socket_url(facts.url)
        self._places = Places(self._address, resolve, timeout=rules.connect_timeout)
        self._stands_by = self._is_elsewhere = self._has_joined = False
        self._link: Outbox | None = None
        self._version = FIRST_SESSION_VERSION
        self._ready = False
        self._queue: deque[SchedulerBound] = deque()
        self._pace = Bucket(rules.pace, clock.steady()) if rules.pace else None
        self._mailbox: Mailbox[_Item] = Mailbox(rules.mailbox)
        self._away = OutageLog("pool_disconnected", "pool_connected", url=facts.url)
        self._leaving = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()

    @property
    def is_connected(self) -> bool:
        """Whether a logged-in connection is open now."""
        return self._link is not None

    @property
    def is_ready(self) -> bool:
        """Whether what is sent now goes to the pool: the listener knows of the connection."""
        return self._link is not None and self._ready

    @property
    def waiting(self) -> int:
        """How many messages wait to be written."""
        return len(self._queue) + (len(self._link) if self._link else 0)

    def send(self, message: SchedulerBound) -> None:
        """Tell the pool; never waits. Dropped while there is no connection, or to an older pool.

        Raises:
            OversizedMessage: The message is over its limits (a Bug of the caller's).
        """
        encode(message)
        if self._link is None or not self._ready or version_of(type(message)) > self._version:
            return
        self._queue.append(message)
        self._flush()
        if len(self._queue) > self._rules.queue:
            _log.warning("session_given_up", cause="too many messages wait for the pool")
            self._queue.clear()
            self._link.end(encode(Close("too-far-behind", "the worker starts over")))

    async def run(self, listener: Listener) -> None:
        """Keep the session until cancelled or closed.

        Args:
            listener: The worker: asked what it holds, and told all that comes.

        Raises:
            Refused, BadSignature: Only a person can help: the pool rejects this worker, is not the
                pool it is set up for, or does not hold the owner's key; the message says what.
                A clock or a version that does not fit may fit again: then it is tried again.
        """
        self._stopped.clear()
        try:
            await first_of(self._attend(listener), self._keep(listener))
        except (Refused, BadSignature) as fault:
            await listener.disconnected(str(fault), None)
            raise
        finally:
            self._stopped.set()

    async def close(self, code: str, message: str) -> None:
        """End the session now instead of by its lease; ``run`` returns."""
        farewell = Close(clip(code, MAX_WORD), clip(message, MAX_SENTENCE))
        self._leaving.set()
        if self._link is not None:
            self._link.end(encode(farewell))
        await self._stopped.wait()

    # ------------------------------------------------------------------------------- listener

    async def _attend(self, listener: Listener) -> None:
        """Hand everything to the listener, one by one, for ever."""
        while True:
            match await self._mailbox.take():
                case _Joined(welcome, link):
                    self._ready = self._link is link
                    await listener.connected(welcome)
                case _Left(reason, retry_in):
                    await listener.disconnected(reason, retry_in)
                case message:
                    await listener.received(message)

    # ----------------------------------------------------------------------------- connections

    async def _keep(self, listener: Listener) -> None:
        """Connect again and again."""
        failures = 0
        while not self._leaving.is_set():
            since = self._clock.steady()
            reason, least = await self._connect_once(listener)
            if self._stands_by or self._clock.steady() - since >= self._rules.settled:
                failures = 0
            if self._places.next() and self._is_elsewhere:
                pause = 0.0  # another address may be whoever leads
            else:
                pause = max(least, self._pause(failures))
                failures += 1
            self._mailbox.put(_Left(reason, pause))
            self._away.tell(reason, retry_in=round(pause, 1))
            await first_of(self._clock.sleep(pause), _wait(self._leaving))

    def _pause(self, failures: int) -> float:
        rules = self._rules
        longest = min(rules.first_pause * 2.0 ** min(failures, 30), rules.last_pause)
        chance = int.from_bytes(self._entropy.bytes(4), "big") / 2**32
        return longest * (0.5 + chance / 2)

    async def _connect_once(self, listener: Listener) -> tuple[str, float]:
        """Hold one connection to its end; return why it ended and the least pause (seconds)."""
        self._stands_by = self._is_elsewhere = False
        try:
            await self._connection(listener)
        except Rejected as fault:
            if fault.reject.retry_after is None:
                raise
            self._stands_by = self._is_elsewhere = fault.reject.code == STANDING_BY
            return str(fault), fault.reject.retry_after
        except (ClockSkewed, VersionRefused) as fault:
            return str(fault), 0
        except (BadSignature, EndsProgram):
            raise
        except PeerFault as fault:
            return f"the pool broke the protocol ({fault.code}): {fault}", 0
        except Unavailable as fault:
            return str(fault), 0
        except (OSError, WebSocketException) as fault:
            self._is_elsewhere = not self._has_joined
            return f"the pool at {self._facts.url} does not answer: {_describe(fault)}", 0
        return "the worker left", 0

    async def _connection(self, listener: Listener) -> None:
        self._has_joined = False
        rules, is_here = self._rules, is_loopback(urlsplit(self._address).hostname)
        where = {} if is_here else await self._places.where()
        async with Dial(
            self._address,
            rules.socket,
            max_size=MAX_SESSION_FRAME,
            compression=None,
            ping_interval=None,
            open_timeout=rules.connect_timeout,
            close_timeout=rules.close_timeout,
            proxy=None if is_here else True,
            user_agent_header=f"poolhand/{__version__}",
            **where,
        ) as socket:
            assert isinstance(socket, GuardedClient)
            async with asyncio.timeout(rules.handshake_timeout):
                welcome = await self._log_in(socket, listener)
            await self._converse(socket, welcome)

    async def _log_in(self, socket: GuardedClient, listener: Listener) -> Welcome:
        now = self._clock.now
        challenge = Nonce(self._entropy.bytes(32))
        handshake = ClientHandshake(self._facts, self._signer.address, challenge)
        login = handshake.hello(await _message(socket), now())
        signed = self._signer.sign_message(login)
        answer = handshake.login(signed, self._capabilities, listener.held())
        await socket.send(encode(answer))
        welcome = handshake.welcome(await _message(socket), self._owner, now())
        self._version = handshake.version
        return welcome

    async def _converse(self, socket: GuardedClient, welcome: Welcome) -> None:
        """Carry frames until the connection ends."""
        self._places.reached()
        self._has_joined, link = True, Outbox(self._rules.outbox)
        self._link = link
        self._queue.clear()
        self._away.over()
        self._mailbox.put(_Joined(welcome, link))
        try:
            await first_of(
                self._read(socket), self._write(socket, link), self._beat(socket, welcome)
            )
        except PeerFault as fault:
            link.end(encode(Close(fault.code, clip(str(fault), MAX_SENTENCE))))
            raise
        finally:
            self._link, self._ready = None, False
            if link.farewell is not None:
                seconds = self._rules.write_timeout
                await attempt(socket.send(link.farewell), seconds, WebSocketException)

    # ---------------------------------------------------------------------------------- frames

    async def _read(self, socket: GuardedClient) -> None:
        incoming = SessionIntake[WorkerBound](_INBOUND, self._rules.incoming, self._clock.steady())
        while True:
            message = incoming.take(decode(await _text(socket)), self._clock.steady())
            if isinstance(message, Close):
                raise PoolLeft(f"the pool ended the session ({message.code}): {message.message}")
            self._mailbox.put(message)
            await self._mailbox.room()

    async def _write(self, socket: GuardedClient, link: Outbox) -> None:
        while (frame := await link.next()) is not None:
            async with asyncio.timeout(self._rules.write_timeout):
                await socket.send(frame)
            link.written_at = self._clock.steady()

    async def _beat(self, socket: GuardedClient, welcome: Welcome) -> None:
        """Be heard, look whether the pool is, and let our own pace go on.

        A beat is a pong that nobody asked for (RFC 6455, section 5.5.3): it costs the pool least. A
        pool that has been silent for long is asked for a sign by a ping.
        """
        beats, link = Heartbeat(welcome.heartbeat_seconds, self._clock.steady()), self._link
        while link is not None:
            await self._clock.sleep(1)
            now = self._clock.steady()
            if socket.heard or self._mailbox.is_full:
                beats.heard(now)  # when full: it may be talking, we are the ones who do not listen
                socket.heard = False
            match beats.due(now, link.written_at):
                case Beat.PING:
                    await attempt(_ping(socket), self._rules.write_timeout, WebSocketException)
                case Beat.PONG:
                    await attempt(socket.pong(), self._rules.write_timeout, WebSocketException)
                case Beat.LEAVE:
                    raise PoolSilent("the pool has been silent for too long")
            self._flush()

    def _flush(self) -> None:
        """Move waiting messages to the connection as far as our own pace admits."""
        link, pace = self._link, self._pace
        while (
            link is not None and self._queue and (not pace or pace.has_room(self._clock.steady()))
        ):
            link.put(encode(self._queue.popleft()))
            if pace:
                pace.take()


async def _ping(socket: GuardedClient) -> None:
    await socket.ping()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _text(socket: GuardedClient) -> str:
    try:
        data = await socket.recv()
    except ConnectionClosed as fault:
        if socket.fault is not None:
            raise socket.fault from fault
        raise PoolLeft(f"the connection broke: {_describe(fault)}") from fault
    if isinstance(data, bytes):
        raise Malformed("a frame was binary")
    return data


async def _message(socket: GuardedClient) -> SessionMessage:
    return decode(await _text(socket))


def _describe(fault: Exception) -> str:
    return str(fault) or type(fault).__name__
