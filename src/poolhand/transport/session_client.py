"""The worker's side of the protocol: one session kept over many connections.

``run`` dials, logs in and carries frames until it is cancelled or only a person can help. What the
pool says reaches the ``Listener`` exactly once and in order, whatever happens to connections; what
the worker says waits while it is away. When the pool no longer holds the session, what waits is
dropped and the listener tells everything again from its journal after ``connected``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, get_args
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from poolhand import __version__
from poolhand.domain.errors import Malformed, PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.signatures import BadSignature
from poolhand.domain.units import Seconds
from poolhand.observe.complaint import Complaint
from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.signer import Signer
from poolhand.transport.guarded_client import Dial, GuardedClient
from poolhand.transport.listener import ClientRules, Listener
from poolhand.transport.plumbing import Mailbox, Outbox, attempt, first_of, is_loopback
from poolhand.wire.fields import MAX_INT, clip
from poolhand.wire.frames import MAX_FRAME, Frame, decode, encode
from poolhand.wire.handshake import (
    ClientHandshake,
    ClockSkewed,
    PoolFacts,
    Rejected,
    VersionRefused,
    socket_url,
)
from poolhand.wire.messages import (
    SENTENCE,
    WORD,
    Capabilities,
    Close,
    Message,
    Resume,
    SchedulerBound,
    Welcome,
    WorkerBound,
)
from poolhand.wire.session import (
    Inbound,
    Limits,
    Session,
    WorkerSession,
    encode_message,
)

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


_Item: TypeAlias = Welcome | WorkerBound | _Left


class SessionClient:
    """One worker's session with one pool.

    Args:
        facts: The pool as the worker is set up for it and has read it on chain.
        owner: The workerpool's owner, read on chain: whose proof is accepted.
        signer: The worker's wallet; signs logins and nothing else here.
        capabilities: Told at every login.
        listener: The worker.
        clock: For heartbeat, lease and pauses.
        entropy: For challenges, and the chance in the pauses.
        rules: Limits.

    Raises:
        BadUrl: ``facts.url`` cannot be dialled.
    """

    def __init__(
        self,
        facts: PoolFacts,
        owner: Address,
        signer: Signer,
        capabilities: Capabilities,
        listener: Listener,
        clock: Clock,
        entropy: Entropy,
        rules: ClientRules = ClientRules(),
    ) -> None:
        self._facts, self._owner, self._signer = facts, owner, signer
        self._capabilities, self._listener = capabilities, listener
        self._clock, self._entropy, self._rules = clock, entropy, rules
        self._address = socket_url(facts.url)
        self._session: WorkerSession | None = None
        self._link: Outbox | None = None
        self._ready = False
        self._queue: deque[SchedulerBound] = deque()
        self._mailbox: Mailbox[_Item] = Mailbox(rules.mailbox)
        self._away = Complaint("pool_disconnected", "pool_connected", url=facts.url)
        self._leaving = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()

    @property
    def is_connected(self) -> bool:
        """Whether a logged-in connection is open now."""
        return self._link is not None

    @property
    def waiting(self) -> int:
        """How many messages the pool has not acknowledged yet, queued ones included."""
        return len(self._queue) + (self._session.unacknowledged if self._session else 0)

    def send(self, message: SchedulerBound) -> None:
        """Tell the pool; never waits. Dropped if the session is lost before it arrives.

        Raises:
            OversizedMessage: The message is over its limits (a Bug of the caller's).
        """
        encode(Frame(message, MAX_INT, MAX_INT))
        self._queue.append(message)
        self._flush()
        if len(self._queue) > self._rules.queue:
            _log.warning("session_given_up", cause="too many messages wait for the pool")
            self._forget()
            if self._link is not None:
                self._link.end(encode_message(Close("too-far-behind", "the worker starts over")))

    async def run(self) -> None:
        """Keep the session until cancelled or closed.

        Raises:
            Refused, BadSignature: Only a person can help: the pool rejects this worker, is not the
                pool it is set up for, or does not hold the owner's key; the message says what.
                A clock or a version that does not fit may fit again: then it is tried again.
        """
        self._stopped.clear()
        try:
            await first_of(self._attend(), self._keep())
        except (Refused, BadSignature) as fault:
            await self._listener.disconnected(str(fault), None)
            raise
        finally:
            self._stopped.set()

    async def close(self, code: str, message: str) -> None:
        """End the session now instead of by its lease; ``run`` returns."""
        farewell = Close(clip(code, WORD), clip(message, SENTENCE))
        self._leaving.set()
        if self._link is not None:
            self._link.end(encode_message(farewell))
        await self._stopped.wait()

    # ------------------------------------------------------------------------------- listener

    async def _attend(self) -> None:
        """Hand everything to the listener, one by one, for ever."""
        while True:
            match await self._mailbox.take():
                case Welcome() as welcome:
                    self._open(welcome)
                    await self._listener.connected(welcome)
                case _Left(reason, retry_in):
                    await self._listener.disconnected(reason, retry_in)
                case message:
                    await self._listener.received(message)

    def _open(self, welcome: Welcome) -> None:
        """Let messages flow, now that the listener is to tell everything again."""
        if not welcome.resumed:
            self._queue.clear()
        if self._session is not None and self._session.nonce == welcome.session:
            self._ready = True
            self._flush()

    # ----------------------------------------------------------------------------- connections

    async def _keep(self) -> None:
        """Connect again and again."""
        failures = 0
        while not self._leaving.is_set():
            since = self._clock.now()
            reason, least = await self._connect_once()
            if self._clock.now() - since >= self._rules.settled:
                failures = 0
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

    async def _connect_once(self) -> tuple[str, float]:
        """Hold one connection to its end; return why it ended and the least pause (seconds)."""
        try:
            await self._connection()
        except Rejected as fault:
            if fault.reject.retry_after is None:
                raise
            return str(fault), fault.reject.retry_after
        except (ClockSkewed, VersionRefused) as fault:
            return str(fault), 0
        except BadSignature:
            raise
        except PeerFault as fault:
            return f"the pool broke the protocol ({fault.code}): {fault}", 0
        except Unavailable as fault:
            return str(fault), 0
        except (OSError, WebSocketException) as fault:
            return f"the pool at {self._facts.url} does not answer: {_describe(fault)}", 0
        return "the worker left", 0

    async def _connection(self) -> None:
        rules, host = self._rules, urlsplit(self._address).hostname
        async with Dial(
            self._address,
            rules.socket,
            max_size=MAX_FRAME,
            compression=None,
            ping_interval=None,
            open_timeout=rules.connect_timeout,
            close_timeout=rules.close_timeout,
            proxy=None if is_loopback(host) else True,
            user_agent_header=f"poolhand/{__version__}",
        ) as socket:
            async with asyncio.timeout(rules.handshake_timeout):
                welcome = await self._log_in(socket)
            link = Outbox(rules.outbox)
            try:
                await self._converse(socket, welcome, link)
            finally:
                self._link = None

    async def _log_in(self, socket: ClientConnection) -> Welcome:
        now, session = self._clock.now, self._session
        challenge = Nonce(self._entropy.bytes(32))
        handshake = ClientHandshake(self._facts, self._signer.address, challenge)
        login = handshake.hello(await _message(socket), now())
        resume = Resume(session.nonce, session.received) if session else None
        answer = handshake.login(
            self._signer.sign_message(login), self._capabilities, resume, self._listener.held()
        )
        await socket.send(encode_message(answer))
        return handshake.welcome(await _message(socket), self._owner, now())

    async def _converse(self, socket: ClientConnection, welcome: Welcome, link: Outbox) -> None:
        """Take up the session on a connection and carry frames until it ends."""
        try:
            session = self._take_up(welcome, link)
            await first_of(
                self._read(socket, session),
                self._write(socket, link),
                self._beat(session, link),
            )
        except PeerFault as fault:
            self._forget()
            link.end(encode_message(Close(fault.code, clip(str(fault), SENTENCE))))
            raise
        finally:
            if link.farewell is not None:
                seconds = self._rules.write_timeout
                await attempt(socket.send(link.farewell), seconds, WebSocketException)

    def _take_up(self, welcome: Welcome, link: Outbox) -> WorkerSession:
        """Attach the link to the session, old or new, and queue what the pool missed."""
        now, session = self._clock.now(), self._session
        if welcome.resumed:
            if session is None or session.nonce != welcome.session:
                raise Malformed("the pool resumes a session that this worker does not hold")
            for frame in session.resume(welcome.received, now):
                link.put(encode(frame))
        else:
            session = Session(welcome.session, _INBOUND, self._limits(welcome), now)
            self._session, self._ready = session, False
        self._link = link
        self._away.over()
        self._mailbox.put(welcome)
        self._flush()
        return session

    def _limits(self, welcome: Welcome) -> Limits:
        """Return our limits with the pool's heartbeat and lease (seconds)."""
        beat = Seconds(max(1, welcome.heartbeat_seconds))
        lease = Seconds(max(beat + 1, welcome.lease_seconds))
        return replace(self._rules.limits, heartbeat=beat, lease=lease)

    # ---------------------------------------------------------------------------------- frames

    async def _read(self, socket: ClientConnection, session: WorkerSession) -> None:
        while True:
            frame = decode(await _text(socket))
            self._hear(session.receive(frame, self._clock.now()))
            self._flush()
            await self._mailbox.room()

    def _hear(self, inbound: Inbound[WorkerBound]) -> None:
        if inbound.closed is not None:
            self._forget()
            close = inbound.closed
            raise PoolLeft(f"the pool ended the session ({close.code}): {close.message}")
        if inbound.delivered is not None:
            self._mailbox.put(inbound.delivered)
        if inbound.reply is not None and self._link is not None:
            self._link.put(encode(inbound.reply))

    async def _write(self, socket: ClientConnection, link: Outbox) -> None:
        while (frame := await link.next()) is not None:
            async with asyncio.timeout(self._rules.write_timeout):
                await socket.send(frame)

    async def _beat(self, session: WorkerSession, link: Outbox) -> None:
        """Send heartbeats, look at the lease, and let our own pace go on."""
        while True:
            await self._clock.sleep(1)
            now = self._clock.now()
            if self._mailbox.is_full:
                session.hear(now)  # it may be talking: we are the ones who do not listen
            if session.is_expired(now):
                raise PoolSilent("the pool has been silent for a whole lease")
            if (beat := session.tick(now)) is not None:
                link.put(encode(beat))
            self._flush()

    def _flush(self) -> None:
        """Move waiting messages to the connection as far as the session admits."""
        session, link = self._session, self._link
        if session is None or link is None or not self._ready:
            return
        now = self._clock.now()
        while self._queue and session.can_send(now):
            link.put(encode(session.send(self._queue.popleft(), now)))

    def _forget(self) -> None:
        """Give the session up; the next connection starts a new one."""
        self._session, self._ready = None, False
        self._queue.clear()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _text(socket: ClientConnection) -> str:
    try:
        data = await socket.recv()
    except ConnectionClosed as fault:
        if isinstance(socket, GuardedClient) and socket.fault is not None:
            raise socket.fault from fault
        raise PoolLeft(f"the connection broke: {_describe(fault)}") from fault
    if isinstance(data, bytes):
        raise Malformed("a frame was binary")
    return data


async def _message(socket: ClientConnection) -> Message:
    return decode(await _text(socket)).message


def _describe(fault: Exception) -> str:
    return str(fault) or type(fault).__name__
