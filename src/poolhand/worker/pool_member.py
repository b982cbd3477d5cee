"""The worker's dealings with its pool: offers in, reports out.

The member listens to a session (``transport.listener.Listener``). It believes the pool in one
thing only: that a task is offered. All else it hears makes it look at the chain.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, IllegalTransition, Refused
from poolhand.domain.ids import TaskId
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.replicate import machine
from poolhand.domain.replicate.machine import Entry, Replicate, Report
from poolhand.domain.replicate.status import FAILURES, FINAL, STATUSES, Status
from poolhand.domain.signal import Signal
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.clock import Clock
from poolhand.wire import messages
from poolhand.wire.messages import Held, Welcome, WorkerBound
from poolhand.wire.tee_messages import AskTeeProof, OfferConfidentialTask, TeeProofJudged
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.held_replicates import HeldReplicates
from poolhand.worker.offers import OfferIntake
from poolhand.worker.reports import PoolReports
from poolhand.worker.results_place import ResultsPlace
from poolhand.worker.standing import Hold

HITCHES: Final = FAILURES | {
    Status.CANT_REVEAL,
    Status.REVEAL_FAILED,
    Status.REVEAL_TIMEOUT,
    Status.RESULT_UPLOAD_REQUEST_FAILED,
    Status.RESULT_UPLOAD_FAILED,
    Status.OUT_OF_GAS,
}
"""Statuses whose cause and remedy belong into the log."""
_TELLING: Final = (Status.CONTRIBUTED, Status.REVEALED, Status.CONTRIBUTE_FAILED)
"""Statuses after which a look at the chain may bring news at once."""

log = structlog.get_logger()


class PoolMember:
    """One worker in one pool.

    Args:
        offers: Takes or declines what is offered.
        held: What was taken.
        reports: Tells the pool.
        place: Told where the pool wants results.
        places: Says whether they may be brought there.
        clock: For the events made here.
        boundary: Takes what a message raises.
        tasks: Owns whatever runs.

    Attributes:
        joined: Tells of each new session, once the pool knows whether work is taken.
        followed: Tells what the pool wants to hear of a task: see ``wire.messages.FollowTask``.
        told_of_tee: Tells what the pool asks and says of enclaves.
    """

    def __init__(
        self,
        offers: OfferIntake,
        held: HeldReplicates,
        reports: PoolReports,
        place: ResultsPlace,
        places: AllowedPlaces,
        clock: Clock,
        boundary: FaultBoundary,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._offers, self._held, self._reports = offers, held, reports
        self._place, self._places, self._clock = place, places, clock
        self._boundary, self._tasks = boundary, tasks
        self.joined: Signal[[]] = Signal()
        self.followed: Signal[[TaskId, int | None]] = Signal()
        self.told_of_tee: Signal[[AskTeeProof | TeeProofJudged]] = Signal()
        self.shell, self.chain_watch = held.shell, held.chain_watch
        self.standing = offers.standing

    # ---------------------------------------------------------------------------------- listening

    def held(self) -> tuple[Held, ...]:
        """Return what the pool should know of at login."""
        return self._held.open()

    @property
    def has_stake(self) -> bool:
        """Whether a contribution is or may be on chain whose end is not known, or not for good."""
        return self._held.has_stake

    @property
    def has_joined(self) -> bool:
        """Whether the pool has let this program in before."""
        return self._place.is_known

    @property
    def is_taking(self) -> bool:
        """Whether an offer is being looked at."""
        return self._offers.is_taking

    async def connected(self, welcome: Welcome) -> None:
        """Take up work with the pool, which is told everything again."""
        self.standing.joined()
        self._place.tell(welcome.results_url)
        log.info("pool_joined")
        self._tasks.create_task(self._check_results(welcome.results_url))
        self.shell.unreported()
        if self.standing.has_conditions:
            self._tell_conditions()
        self._reports.capacity(self.standing.paused)
        self.joined()
        self.chain_watch.look_at_all()

    async def _check_results(self, url: str) -> None:
        """Take nothing whose result may not be brought where the pool wants it."""
        reason = None
        try:
            await self._places.check_results(url)
        except OSError:
            pass  # it may be known when there is a result
        except EndsProgram:
            raise
        except Refused as fault:
            reason = str(fault)
            log.warning("results_forbidden", url=url, cause=reason)
        self.hold(Hold.RESULTS, reason)

    async def disconnected(self, reason: str, retry_in: float | None) -> None:
        """Go on with what is held: the chain does not need the pool."""
        is_news = self.standing.away_since is None
        self.standing.left(reason, self._clock.now(), retry_in)
        if is_news:  # how the tries since then go is told by the session, now and then
            log.warning("pool_left", cause=reason, retry_in=retry_in)

    async def received(self, message: WorkerBound) -> None:
        """Take one message of the pool; what it leads to by no fault of the pool ends with it."""
        task_id = str(getattr(message, "task_id", None))
        with self._boundary.around("message", kind=type(message).__name__, task_id=task_id):
            await self._receive(message)

    async def _receive(self, message: WorkerBound) -> None:
        now = self._clock.now()
        match message:
            case messages.OfferTask() | OfferConfidentialTask():
                self._tasks.create_task(self._offers.take(message))
            case messages.TaskActivated() | messages.AskReveal():
                self._hear_of_chain(message)
            case messages.Completed(task_id):
                self._hear_of_end(task_id)
            case messages.AskUpload(task_id):
                ready = await asyncio.to_thread(self._held.has_archive, task_id)
                self._feed(task_id, machine.UploadAsked(now, ready))
            case messages.Aborted(task_id, cause):
                self._abort(task_id, cause)
            case messages.AcknowledgeReports(task_id, count):
                self.shell.acknowledged(task_id, machine.Acknowledged(now, count))
            case _:
                self._hear_word(message)

    def _hear_word(
        self,
        message: messages.Idle
        | messages.OwnerMessage
        | messages.FollowTask
        | AskTeeProof
        | TeeProofJudged,
    ) -> None:
        """Keep what the operator is to know, and pass on what others see to."""
        if isinstance(message, AskTeeProof | TeeProofJudged):
            self.told_of_tee(message)
            return
        if isinstance(message, messages.FollowTask):
            self.followed(message.task_id, message.after)
            return
        if isinstance(message, messages.Idle):
            self.standing.idle = message.reasons
            return
        if self.standing.owner_messages.take(message, self._clock.steady()):
            log.warning("pool_owner_says", text=message.text, at=message.at)

    def _hear_of_chain(self, message: messages.TaskActivated | messages.AskReveal) -> None:
        if isinstance(message, messages.TaskActivated):
            self.chain_watch.told_of(message.block)
        self.chain_watch.look(message.task_id)

    def pause(self, reason: str | None, ends: UnixSeconds | None = None) -> None:
        """Take nothing new because the operator says so (None: take again)."""
        self.hold(Hold.OPERATOR, reason, ends)

    def hold(self, kind: Hold, reason: str | None, ends: UnixSeconds | None = None) -> None:
        """Take nothing new for a reason (None: the reason is gone); what is held goes on.

        Args:
            kind: Who keeps the worker from it.
            reason: For operator and pool.
            ends: When the reason will be gone; None: that is not known.
        """
        before = self.standing.paused
        self.standing.hold(kind, reason, ends)
        if self.standing.paused != before:
            self._reports.capacity(self.standing.paused)

    def limit_time(self, longest: Seconds | None) -> None:
        """Take no task whose category allows more computing time; None: any."""
        if self.standing.limit(longest, self.standing.least_reward):
            self._tell_conditions()

    def limit_reward(self, least: NanoRlc) -> None:
        """Take no task that brings less (nRLC)."""
        if self.standing.limit(self.standing.longest, least):
            self._tell_conditions()

    def allow_hosts(self, hosts: tuple[NetworkHost, ...], lack: str | None = None) -> None:
        """Let apps through to some hosts where their orders ask for them; ``lack``: why to none."""
        if self.standing.allow(hosts, lack):
            self._tell_conditions()

    def _tell_conditions(self) -> None:
        standing = self.standing
        self._reports.conditions(standing.longest, standing.least_reward, standing.hosts)

    # ------------------------------------------------------------------------------------- the end

    def _abort(self, task_id: TaskId, cause: str) -> None:
        """Stop what has not touched the chain; of anything else the chain has the word."""
        replicate = self.shell.replicates.get(task_id)
        if replicate is None or replicate.has_contributed:
            self._hear_of_end(task_id)
            return
        ends = {str(each): each for each in FINAL - {Status.COMPLETED}}
        status = ends.get(cause, Status.FAILED)
        self._feed(task_id, machine.Ended(self._clock.now(), status, "told by the pool"))

    def _hear_of_end(self, task_id: TaskId) -> None:
        """Look at the chain; of what is not held, say so, for the pool waits to hear of its end."""
        if task_id in self.shell.replicates:
            self.chain_watch.look(task_id)
            return
        self._offers.withdraw(task_id)
        self._offers.none_here(task_id, "this worker holds no such replicate")

    def _feed(self, task_id: TaskId, event: machine.ReplicateEvent) -> None:
        """Feed what a peer asked for; what cannot be is logged and left."""
        try:
            self.shell.feed(task_id, event)
        except IllegalTransition as fault:
            log.warning("message_refused", task_id=str(task_id), cause=str(fault))

    # ------------------------------------------------------------------------------------ telling

    def tell(self, task_id: TaskId, replicate: Replicate, reports: tuple[Report, ...]) -> None:
        """Tell the pool of a replicate's new statuses, and look for what they may bring."""
        self._reports.moves(task_id, replicate, reports)
        if {each.entry.status for each in reports}.intersection(_TELLING):
            self.chain_watch.look(task_id)
        for each in reports:
            _log(task_id, each.entry)


def _log(task_id: TaskId, entry: Entry) -> None:
    """Write a move down; one that somebody must fix says who and how."""
    told = {"task_id": str(task_id), "status": entry.status, "detail": entry.detail}
    if entry.status in HITCHES:
        row = STATUSES[entry.status]
        log.warning("replicate_moved", **told, acts=row.acts, next_step=row.next_step)
    else:
        log.info("replicate_moved", **told)
