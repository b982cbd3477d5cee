"""All sessions of one pool: who is there, what is said to whom, who has been silent for too long.

Nothing here waits, and nothing that a worker says or does costs more because others are there:
sessions stand in the order in which they were last heard, so that whose lease runs out next is the
first. Calls of the ``Gate`` come in order per worker: ``connected``, what it says, then ``lost``; a
worker that comes again before its lease ran out is ``connected`` again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, get_args

import structlog

from poolhand.domain.errors import PeerFault, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.signal import Signal
from poolhand.domain.units import UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.turn_pace import TurnPace
from poolhand.ports.clock import Clock, Entropy
from poolhand.transport.conduct import Conduct
from poolhand.transport.gate import Arrival, Gate, HubRules
from poolhand.wire.fields import clip
from poolhand.wire.frames import encode
from poolhand.wire.handshake import Terms, WalletConnected
from poolhand.wire.messages import Close, Login, SchedulerBound, SessionMessage, WorkerBound
from poolhand.wire.session import SessionIntake
from poolhand.wire.session_terms import MAX_SENTENCE

_log = structlog.get_logger()
_INBOUND: Final = get_args(SchedulerBound)
SWEEP: Final = 1
"""Seconds between two looks at the leases."""
LONGEST_HUB_FAREWELL: Final = 1.0
"""Seconds that a stop waits for farewells to be written."""
STOOD_STILL_AFTER: Final = 4
"""Seconds between two looks by which we know that it was ourselves who stood still."""
MESSAGES: Final = 16
"""Of all workers together, taken in one turn of the loop: a block has a thousand report at once."""
LOGINS_PER_TURN: Final = 4
"""Looked at in one turn of the loop: each costs two signatures."""
NOT_NOW: Final = "the pool is not taking workers now: try again in a moment"


class WorkerAway(Unavailable):
    """The worker has no connection now: it is told again when it has one."""


class PoolStarting(Unavailable):
    """The pool is not (or no longer) taking workers."""


class Outlet(Protocol):
    """Our end of one connection."""

    def put(self, text: str) -> None:
        """Write a frame; one whose peer takes nothing is cut."""

    def end(self, farewell: str | None = None) -> None:
        """End the connection; ``farewell`` is its last frame. Repeatable."""


@dataclass(eq=False, slots=True)
class WorkerSession:
    """One worker's connection, or what is kept of it for a lease; ``heard`` in Unix seconds."""

    arrival: Arrival
    incoming: SessionIntake[SchedulerBound]
    outlet: Outlet | None
    heard: UnixSeconds


class SessionHub:
    """The sessions of all workers; ``run`` must be running for any to be let in.

    Attributes:
        messages, logins: How many of each are looked at in one turn of the loop.
        stood_still: Tells that this very program was held up, so that nobody was listened to.
    """

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        results_url: str,
        rules: HubRules = HubRules(),
        boundary: FaultBoundary | None = None,
    ) -> None:
        self._boundary = boundary or FaultBoundary()
        self.clock, self.entropy, self.rules = clock, entropy, rules
        self._gate: Gate | None = None
        self.conduct = Conduct(clock)
        self._terms = Terms(results_url, rules.lease, rules.heartbeat)
        self._sessions: OrderedDict[Address, WorkerSession] = OrderedDict()
        self._outlets: set[Outlet] = set()
        self._hung_up = asyncio.Event()
        self._is_open = False
        self.messages, self.logins = TurnPace(MESSAGES), TurnPace(LOGINS_PER_TURN)
        self.stood_still: Signal[[]] = Signal()

    @property
    def gate(self) -> Gate:
        """Who decides about workers; raises PoolStarting before ``run`` has brought it."""
        if self._gate is None:
            raise PoolStarting(NOT_NOW)
        return self._gate

    async def run(self, gate: Gate) -> None:
        """Attend to leases until cancelled; all sessions end with it.

        Args:
            gate: Decides who comes in, and is told of workers and of what they say.
        """
        self._gate, self._is_open = gate, True
        try:
            before = self.clock.steady()
            while True:
                await self.clock.sleep(SWEEP)
                before, stood = self.clock.steady(), self.clock.steady() - before
                self._sweep(we_stood_still=stood >= STOOD_STILL_AFTER)
        finally:
            self._end_all()

    async def close(self) -> None:
        """Say farewell to every worker and let nobody in any more; returns when all were told.

        To be called before the server stops, whose own way to close says nothing; gates are not
        told: for them the workers are still there, and will come back to whoever runs next.
        """
        self._end_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_HUB_FAREWELL):
                while self._outlets:
                    self._hung_up.clear()
                    await self._hung_up.wait()

    def _end_all(self) -> None:
        self._is_open = False
        farewell = Close("restarting", "the pool stops or restarts: come back in a moment")
        while self._sessions:
            self.end(next(iter(self._sessions.values())), farewell)

    def nonce(self) -> Nonce:
        """Return a fresh nonce."""
        return Nonce(self.entropy.bytes(32))

    def is_connected(self, worker: Address) -> bool:
        """Whether a worker is connected now."""
        session = self._sessions.get(worker)
        return session is not None and session.outlet is not None

    def tell(self, worker: Address, message: WorkerBound) -> None:
        """Send a message.

        Raises:
            WorkerAway: It is not connected; what still holds is to be told when it is.
        """
        session = self._sessions.get(worker)
        if session is None or session.outlet is None:
            raise WorkerAway(f"worker {worker} is not connected")
        session.outlet.put(encode(message))

    def drop(self, worker: Address, code: str, message: str) -> None:
        """End a worker's session, if it has one, with a reason that it is told."""
        if session := self._sessions.get(worker):
            self.end(session, Close(code, clip(message, MAX_SENTENCE)))

    def blame(self, worker: Address, fault: PeerFault) -> None:
        """End the session of a worker that broke the protocol, and keep it out for a while."""
        _log.warning("worker_blamed", worker=str(worker), cause=fault.code, detail=str(fault))
        self.conduct.bar(worker, fault.code)
        self.drop(worker, fault.code, str(fault))

    def strike(self, worker: Address, cause: str) -> None:
        """Count garbage that a worker sent; who sends it again and again has to go for a while."""
        if self.conduct.strike(worker, cause):
            told = "too many messages that made no sense: update the worker and report the fault"
            self.drop(worker, "misbehaved", told)

    # --- for the endpoint ---------------------------------------------------------------------

    def admit(self, login: Login, address: str, outlet: Outlet) -> tuple[WorkerSession, Terms]:
        """Give an admitted worker a session over ``outlet``, in the place of one that it had.

        The gate is not told yet: the welcome goes first, then ``arrived``.

        Raises:
            WalletConnected: Another process of the same wallet is connected.
            WorkerBarred: The wallet broke the protocol a short while ago.
            PoolStarting: ``run`` is not running.
        """
        if not self._is_open:
            raise PoolStarting(NOT_NOW)
        self.conduct.check(login.worker)
        before = self._sessions.get(login.worker)
        if before is not None and before.outlet is not None:
            if before.arrival.capabilities.instance != login.capabilities.instance:
                raise WalletConnected(login.worker)
            before.outlet.end(encode(Close("superseded", "the worker connected again")))
        now, can = self.clock.steady(), login.capabilities
        arrival = Arrival(
            login.worker, can, login.replicates, address, self.clock.now(), login.version
        )
        incoming = SessionIntake[SchedulerBound](_INBOUND, self.rules.incoming, now)
        session = WorkerSession(arrival, incoming, outlet, now)
        self._sessions[login.worker] = session
        self._sessions.move_to_end(login.worker)
        self._outlets.add(outlet)
        return session, self._terms

    def arrived(self, session: WorkerSession) -> None:
        """Tell the gate that a worker is there, once it has been welcomed."""
        self._hand_over(session, lambda: self.gate.connected(session.arrival))

    def hear(self, session: WorkerSession) -> None:
        """Renew a lease: the worker is there."""
        worker = session.arrival.worker
        if self._sessions.get(worker) is session:
            session.heard = self.clock.steady()
            self._sessions.move_to_end(worker)

    def take(self, session: WorkerSession, message: SessionMessage) -> None:
        """Take one message of a session.

        Raises:
            PeerFault: The worker broke the protocol.
        """
        self.hear(session)
        said = session.incoming.take(message, self.clock.steady())
        if isinstance(said, Close):
            self.end(session, None)
            return
        worker = session.arrival.worker
        self._hand_over(session, lambda: self.gate.received(worker, said))

    def detach(self, session: WorkerSession, outlet: Outlet) -> None:
        """Note that a connection is gone; the worker may come back within its lease."""
        if session.outlet is outlet:
            session.outlet = None

    def hung_up(self, outlet: Outlet) -> None:
        """Note that the last word was written to a connection; repeatable."""
        self._outlets.discard(outlet)
        self._hung_up.set()

    def end(self, session: WorkerSession, farewell: Close | None) -> None:
        """End a session: its connection is closed and the gate told, once."""
        worker = session.arrival.worker
        if self._sessions.get(worker) is not session:
            return
        del self._sessions[worker]
        if session.outlet is not None:
            session.outlet.end(encode(farewell) if farewell else None)
        reason = farewell.code if farewell else "left"
        _log.info("session_ended", worker=str(worker), cause=reason)
        if self._is_open:
            self._hand_over(session, lambda: self.gate.lost(worker))

    # --- inside -------------------------------------------------------------------------------

    def _hand_over(self, session: WorkerSession, tell: Callable[[], None]) -> None:
        """Tell the gate; what it raises ends the session of this worker at most."""
        worker = session.arrival.worker
        try:
            tell()
        except PeerFault as fault:
            if self._sessions.get(worker) is session:
                self.blame(worker, fault)
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a worker's
            self._boundary.take(fault, "session", worker=str(worker))
            if self._sessions.get(worker) is session:
                self.drop(worker, "pool-fault", "the pool has a fault of its own: come back")

    def _sweep(self, *, we_stood_still: bool) -> None:
        """End whoever was silent for a whole lease: they stand first."""
        if we_stood_still:
            self._excuse()
            self.stood_still()
        now = self.clock.steady()
        while self._sessions:
            longest = next(iter(self._sessions.values()))
            if now - longest.heard <= self.rules.lease:
                return
            self.end(longest, Close("lease-expired", "nothing was heard for a whole lease"))

    def _excuse(self) -> None:
        """Hold no silence against those that are connected: it was we who did not listen."""
        for session in tuple(self._sessions.values()):
            if session.outlet is not None:
                self.hear(session)
