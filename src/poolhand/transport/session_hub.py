"""All sessions of one pool: who is there, what is said to whom, whose lease ran out.

Callbacks of the ``Gate`` come one at a time and in order per worker: ``connected``, then what it
says, then ``lost``; a slow gate slows its own worker's socket and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias, get_args

import structlog

from poolhand.domain.errors import PeerFault, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.observe.wall import Wall
from poolhand.ports.clock import Clock, Entropy
from poolhand.transport.conduct import Conduct
from poolhand.transport.gate import Arrival, Gate, HubRules, SessionInfo
from poolhand.transport.plumbing import Mailbox, Outbox
from poolhand.wire.fields import clip
from poolhand.wire.frames import Frame, encode
from poolhand.wire.handshake import Terms, WalletConnected
from poolhand.wire.messages import (
    SENTENCE,
    Close,
    Login,
    SchedulerBound,
    WorkerBound,
)
from poolhand.wire.session import (
    PoolSession,
    Session,
    encode_message,
)

_log = structlog.get_logger()
_INBOUND: Final = get_args(SchedulerBound)
SWEEP: Final = 1
"""Seconds between two looks at the leases."""
FAREWELL: Final = 1.0
"""Seconds that a stop waits for farewells to be written."""
STALL: Final = 4
"""Seconds between two looks by which we know that it was ourselves who stood still."""


class WorkerAway(Unavailable):
    """The worker has no session, or was just dropped for not keeping up."""


class PoolStarting(Unavailable):
    """The pool is not (or no longer) taking workers."""


@dataclass(eq=False, slots=True)
class Seat:
    """One worker's session and, while there is one, its connection."""

    arrival: Arrival
    session: PoolSession
    link: Outbox | None


@dataclass(frozen=True, slots=True)
class _Gone:
    """The last item of a session in a worker's mailbox."""


_Item: TypeAlias = tuple[Seat, Arrival | SchedulerBound | _Gone]


class SessionHub:
    """The sessions of all workers; ``run`` must be running for any to be let in."""

    def __init__(
        self,
        gate: Gate,
        clock: Clock,
        entropy: Entropy,
        results_url: str,
        rules: HubRules = HubRules(),
        wall: Wall | None = None,
    ) -> None:
        self._wall = wall or Wall()
        self.gate, self.clock, self.entropy, self.rules = gate, clock, entropy, rules
        self.conduct = Conduct(clock)
        self._results_url = results_url
        self._seats: dict[Address, Seat] = {}
        self._mailboxes: dict[Address, Mailbox[_Item]] = {}
        self._lines: set[Outbox] = set()
        self._hung_up = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Attend to gates and leases until cancelled; all sessions end with it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                before = self.clock.now()
                while True:
                    await self.clock.sleep(SWEEP)
                    before, stood = self.clock.now(), self.clock.now() - before
                    self._sweep(we_stood_still=stood >= STALL)
        finally:
            self._end_all()

    async def close(self) -> None:
        """Say farewell to every worker and let nobody in any more; returns when all were told.

        To be called before the server stops, whose own way to close says nothing; gates are not
        told: for them the workers are still there, and will come back to whoever runs next.
        """
        self._end_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._lines:
                    self._hung_up.clear()
                    await self._hung_up.wait()

    def _end_all(self) -> None:
        self._tasks = None
        farewell = Close("restarting", "the pool stops or restarts: come back in a moment")
        for seat in list(self._seats.values()):
            self.end(seat, farewell)

    def nonce(self) -> Nonce:
        """Return a fresh nonce."""
        return Nonce(self.entropy.bytes(32))

    def is_live(self, worker: Address) -> bool:
        """Whether a worker has a session, attached or within its lease."""
        return worker in self._seats

    def sessions(self) -> tuple[SessionInfo, ...]:
        """Return all sessions."""
        return tuple(
            SessionInfo(
                worker=worker,
                session=seat.session.nonce,
                capabilities=seat.arrival.capabilities,
                address=seat.arrival.address,
                since=seat.arrival.at,
                attached=seat.link is not None,
                unacknowledged=seat.session.unacknowledged,
            )
            for worker, seat in self._seats.items()
        )

    def tell(self, worker: Address, message: WorkerBound) -> None:
        """Send a message; it waits while the worker is away within its lease.

        Raises:
            WorkerAway: No session, or it does not keep up and was ended.
        """
        seat = self._seats.get(worker)
        if seat is None:
            raise WorkerAway(f"worker {worker} has no session")
        now = self.clock.now()
        if not seat.session.can_send(now):
            self._drop_slow(seat)
            raise WorkerAway(f"worker {worker} does not keep up, its session was ended")
        self.write(seat, seat.session.send(message, now))

    def drop(self, worker: Address, code: str, message: str) -> None:
        """End a worker's session, if it has one, with a reason that it is told."""
        if seat := self._seats.get(worker):
            self.end(seat, Close(code, clip(message, SENTENCE)))

    def blame(self, worker: Address, fault: PeerFault) -> None:
        """End the session of a worker that broke the protocol, and keep it out for a while."""
        _log.warning("worker_blamed", worker=str(worker), cause=fault.code, detail=str(fault))
        self.conduct.bar(worker, fault.code)
        self.drop(worker, fault.code, str(fault))

    # --- for the endpoint ---------------------------------------------------------------------

    def admit(self, login: Login, address: str, link: Outbox) -> tuple[Seat, Terms]:
        """Give an admitted worker its session back, or a new one, with ``link`` attached.

        Nothing is queued on the link yet: the welcome goes first, then ``resend``.

        Raises:
            WalletConnected: Another process of the same wallet is connected.
            WorkerBarred: The wallet broke the protocol a short while ago.
            PoolStarting: ``run`` is not running.
        """
        if self._tasks is None:
            raise PoolStarting("the pool is not taking workers now: try again in a moment")
        self.conduct.check(login.worker)
        seat, resumed = self._resumable(login), True
        if seat is None:
            seat, resumed = self._new_seat(login, address), False
        if seat.link is not None:
            seat.link.end(encode_message(Close("superseded", "the worker connected again")))
        seat.link = link
        self._lines.add(link)
        arrival = self._arrival(login, address, seat.session.nonce, resumed=resumed)
        seat.arrival = arrival
        self._post(seat, arrival)
        received = seat.session.received
        lease, beat = self.rules.limits.lease, self.rules.heartbeat
        terms = Terms(seat.session.nonce, resumed, received, self._results_url, lease, beat)
        return seat, terms

    def resend(self, seat: Seat, login: Login) -> None:
        """Queue again what the worker missed."""
        received = login.resume.received if login.resume and seat.arrival.resumed else 0
        for frame in seat.session.resume(received, self.clock.now()):
            self.write(seat, frame)

    def write(self, seat: Seat, frame: Frame) -> None:
        """Queue a frame on the seat's connection, if it has one."""
        if seat.link is not None and not seat.link.put(encode(frame)):
            self._drop_slow(seat)

    async def take(self, seat: Seat, frame: Frame) -> None:
        """Take one frame of the seat's connection; waits while the gate is behind.

        Raises:
            PeerFault: The worker broke the protocol.
        """
        inbound = seat.session.receive(frame, self.clock.now())
        if inbound.closed is not None:
            self.end(seat, None)
            return
        if inbound.reply is not None:
            self.write(seat, inbound.reply)
        if inbound.delivered is not None:
            await self._post(seat, inbound.delivered).room()

    def detach(self, seat: Seat, link: Outbox) -> None:
        """Note that a connection is gone; the session stays for its lease."""
        if seat.link is link:
            seat.link = None

    def hung_up(self, link: Outbox) -> None:
        """Note that the last word was written to a connection; repeatable."""
        self._lines.discard(link)
        self._hung_up.set()

    def end(self, seat: Seat, farewell: Close | None) -> None:
        """End a session: its connection is closed and the gate told, once."""
        worker = seat.arrival.worker
        if self._seats.get(worker) is not seat:
            return
        del self._seats[worker]
        if seat.link is not None:
            seat.link.end(encode_message(farewell) if farewell else None)
        reason = farewell.code if farewell else "left"
        _log.info("session_ended", worker=str(worker), cause=reason)
        if self._tasks is not None:
            self._post(seat, _Gone())

    # --- inside -------------------------------------------------------------------------------

    def _resumable(self, login: Login) -> Seat | None:
        """Return the seat to resume; a seat in its way is vacated.

        Raises:
            WalletConnected: The seat in the way is another process's, and attached.
        """
        seat = self._seats.get(login.worker)
        if seat is None:
            return None
        if seat.arrival.capabilities.instance != login.capabilities.instance:
            if seat.link is not None:
                raise WalletConnected(login.worker)
        elif (
            login.resume is not None
            and login.resume.session == seat.session.nonce
            and seat.session.can_resume(login.resume.received)
        ):
            return seat
        self.end(seat, Close("superseded", "the worker started a new session"))
        return None

    def _new_seat(self, login: Login, address: str) -> Seat:
        now = self.clock.now()
        session: PoolSession = Session(self.nonce(), _INBOUND, self.rules.limits, now)
        arrival = self._arrival(login, address, session.nonce, resumed=False)
        seat = self._seats[login.worker] = Seat(arrival, session, None)
        return seat

    def _arrival(self, login: Login, address: str, session: Nonce, *, resumed: bool) -> Arrival:
        return Arrival(
            worker=login.worker,
            session=session,
            resumed=resumed,
            capabilities=login.capabilities,
            replicates=login.replicates,
            address=address,
            at=self.clock.now(),
        )

    def _post(self, seat: Seat, item: Arrival | SchedulerBound | _Gone) -> Mailbox[_Item]:
        worker = seat.arrival.worker
        mailbox = self._mailboxes.get(worker)
        if mailbox is None:
            mailbox = self._mailboxes[worker] = Mailbox(self.rules.mailbox)
            if self._tasks is not None:
                self._tasks.create_task(self._attend(worker, mailbox))
        mailbox.put((seat, item))
        return mailbox

    async def _attend(self, worker: Address, mailbox: Mailbox[_Item]) -> None:
        """Hand a worker's items to the gate, one by one, until nothing of it is left."""
        while worker in self._seats or not mailbox.is_empty:
            seat, item = await mailbox.take()
            try:
                await self._hand_over(worker, item)
            except PeerFault as fault:
                if self._seats.get(worker) is seat:
                    self.blame(worker, fault)
            except Exception as fault:  # noqa: BLE001 - the wall lets through what is not a worker's
                self._wall.take(fault, "session", worker=str(worker))
                if self._seats.get(worker) is seat:
                    self.drop(worker, "pool-fault", "the pool has a fault of its own: come back")
        del self._mailboxes[worker]

    async def _hand_over(self, worker: Address, item: Arrival | SchedulerBound | _Gone) -> None:
        match item:
            case Arrival():
                await self.gate.connected(item)
            case _Gone():
                await self.gate.lost(worker)
            case message:
                await self.gate.received(worker, message)

    def _sweep(self, *, we_stood_still: bool) -> None:
        now = self.clock.now()
        mailboxes: Mapping[Address, Mailbox[_Item]] = self._mailboxes
        for worker, seat in list(self._seats.items()):
            deaf = we_stood_still or (worker in mailboxes and mailboxes[worker].is_full)
            if seat.link is not None and deaf:
                seat.session.hear(now)  # it may be talking: we are the ones who do not listen
            if seat.session.is_expired(now):
                self.end(seat, Close("lease-expired", "nothing was heard for a whole lease"))

    def _drop_slow(self, seat: Seat) -> None:
        self.end(seat, Close("slow-consumer", "the worker does not acknowledge what it is sent"))
