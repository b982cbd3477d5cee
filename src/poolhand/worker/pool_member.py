"""The worker's dealings with its pool: offers in, reports out.

The member listens to a session (``transport.listener.Listener``). It believes the pool in one
thing only: that a task is offered. All else it hears makes it look at the chain.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, IllegalTransition, PeerFault, Refused
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate import machine
from poolhand.domain.replicate.machine import Accepted, Entry, Replicate, Report
from poolhand.domain.replicate.status import FAILURES, FINAL, STATUSES, Status
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.clock import Clock
from poolhand.wire import messages
from poolhand.wire.messages import Held, Welcome, WorkerBound
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.brief import check_offer
from poolhand.worker.briefs import Briefs
from poolhand.worker.chain_watch import ChainWatch
from poolhand.worker.horizon import Horizon
from poolhand.worker.reports import PoolReports
from poolhand.worker.results_place import ResultsPlace
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.standing import Hold, WorkerStanding
from poolhand.worker.task_folders import TaskFolders

MOST_HELD_PER_SLOT: Final = 16
"""Replicates that the worker holds at once, per slot; more are declined."""
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
        worker, pool: Who is offered tasks, and whose.
        slots: Tasks that are computed at once.
        shell: Has the replicates.
        chain_watch: Looks at their tasks.
        briefs: Of the deals that are offered.
        folders: Have the results.
        horizon: Told of blocks that the pool knows.
        reports: Tells the pool.
        place: Told where the pool wants results.
        places: Says whether they may be brought there.
        clock: For the events made here.
        boundary: Takes what a message raises.
        tasks: Owns whatever runs.
    """

    def __init__(
        self,
        worker: Address,
        pool: Address,
        slots: int,
        shell: ReplicateShell,
        chain_watch: ChainWatch,
        briefs: Briefs,
        folders: TaskFolders,
        horizon: Horizon,
        reports: PoolReports,
        place: ResultsPlace,
        places: AllowedPlaces,
        clock: Clock,
        boundary: FaultBoundary,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._worker, self._pool, self._slots = worker, pool, slots
        self.shell, self.chain_watch, self._briefs = shell, chain_watch, briefs
        self._folders, self._horizon, self._reports = folders, horizon, reports
        self._place, self._places, self._clock = place, places, clock
        self._boundary, self._tasks = boundary, tasks
        self.standing = WorkerStanding()
        self._taking: set[TaskId] = set()

    # ---------------------------------------------------------------------------------- listening

    def held(self) -> tuple[Held, ...]:
        """Return what the pool should know of at login."""
        return tuple(
            Held(task_id, replicate.status)
            for task_id, replicate in self.shell.replicates.items()
            if not replicate.is_over
        )

    @property
    def has_stake(self) -> bool:
        """Whether a contribution is or may be on chain whose end is not known, or not for good."""
        replicates = self.shell.replicates.values()
        return any(
            each.has_contributed and (each.is_watched or not each.is_over) for each in replicates
        )

    @property
    def has_joined(self) -> bool:
        """Whether the pool has let this program in before."""
        return self._place.is_known

    @property
    def is_taking(self) -> bool:
        """Whether an offer is being looked at."""
        return bool(self._taking)

    async def connected(self, welcome: Welcome) -> None:
        """Take up work with the pool, which is told everything again."""
        self.standing.joined()
        self._place.tell(welcome.results_url)
        log.info("pool_joined")
        self._tasks.create_task(self._check_results(welcome.results_url))
        self.shell.unreported()
        self._reports.capacity(self.standing.paused)
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
            case messages.Offer():
                self._tasks.create_task(self._take(message))
            case messages.Activated() | messages.RevealAsked():
                self._hear_of_chain(message)
            case messages.Completed(task_id):
                self._hear_of_end(task_id)
            case messages.UploadAsked(task_id):
                ready = await asyncio.to_thread(self._folders.of(task_id).archive.exists)
                self._feed(task_id, machine.UploadAsked(now, ready))
            case messages.Aborted(task_id, cause):
                self._abort(task_id, cause)
            case messages.Acknowledged(task_id, count):
                self._feed(task_id, machine.Acknowledged(now, count))
            case messages.Idle(reasons):
                self.standing.idle = reasons

    def _hear_of_chain(self, message: messages.Activated | messages.RevealAsked) -> None:
        if isinstance(message, messages.Activated):
            self._horizon.saw(message.block)
        self.chain_watch.look(message.task_id)

    def pause(self, reason: str | None) -> None:
        """Take nothing new because the operator says so (None: take again)."""
        self.hold(Hold.OPERATOR, reason)

    def hold(self, kind: Hold, reason: str | None) -> None:
        """Take nothing new for a reason (None: the reason is gone); what is held goes on."""
        before = self.standing.paused
        if reason is None:
            self.standing.holds.pop(kind, None)
        else:
            self.standing.holds[kind] = reason
        if self.standing.paused != before:
            self._reports.capacity(self.standing.paused)

    # ------------------------------------------------------------------------------------- offers

    async def _take(self, message: messages.Offer) -> None:
        """Accept an offer that the chain confirms; decline any other, with the reason."""
        task_id = message.task_id
        if task_id in self._taking:
            return
        self._taking.add(task_id)
        try:
            offer = machine.Offer(
                task_id, message.deal_id, message.index, message.flow, message.authorization
            )
            if task_id in self.shell.replicates:
                self.shell.unreported()
                return
            self.standing.offers.seen += 1
            self._check_unread(task_id)
            self._check_room()
            brief = await self._briefs.of(offer)
            check_offer(offer, brief, self._pool, self._worker)
            if task_id not in self._taking:
                return  # the pool has taken the offer back meanwhile
            deadline = brief.category.contribution_deadline(brief.deal.start_time)
            self._check_holds()
            self.shell.accept(Accepted(self._clock.now(), offer, deadline))
            self.standing.offers.accepted += 1
            self.standing.idle = {}
            self.chain_watch.look(task_id)
        except EndsProgram:
            raise
        except (PeerFault, Refused) as fault:
            self._decline(task_id, fault)
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not the offer's
            words = self._boundary.take(fault, "offer", task_id=str(task_id))
            self._decline(task_id, OfferFaulted(words))
        finally:
            self._taking.discard(task_id)

    def _check_holds(self) -> None:
        if self.standing.paused is not None:
            raise NothingNew(self.standing.paused)

    def _check_unread(self, task_id: TaskId) -> None:
        why = self.shell.unread.get(str(task_id))
        if why is not None:
            raise OfferFaulted(f"the worker's journal of this very task does not read: {why}")

    def _check_room(self) -> None:
        self._check_holds()
        count = len(self.held()) + len(self._taking)
        if count > self._slots * MOST_HELD_PER_SLOT:
            raise Overloaded(count - 1)

    def _decline(self, task_id: TaskId, fault: PeerFault | Refused) -> None:
        self.standing.offers.declined[fault.code] += 1
        log.warning("offer_declined", task_id=str(task_id), cause=str(fault))
        self._none_here(task_id, str(fault))

    def _none_here(self, task_id: TaskId, why: str) -> None:
        self._reports.none_here(task_id, self._clock.now(), why)

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
        self._taking.discard(task_id)
        self._none_here(task_id, "this worker holds no such replicate")

    def _feed(self, task_id: TaskId, event: machine.Event) -> None:
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


class OfferFaulted(Refused):
    """The worker cannot take this offer for a fault of its own, which is written down."""


class NothingNew(Refused):
    """The worker takes nothing new for now."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the worker takes nothing new: {reason}")


class Overloaded(Refused):
    """The pool offers more than this worker takes at once."""

    def __init__(self, held: int) -> None:
        super().__init__(f"the worker holds {held} replicates and takes no more for now")


def _log(task_id: TaskId, entry: Entry) -> None:
    """Write a move down; one that somebody must fix says who and how."""
    told = {"task_id": str(task_id), "status": entry.status, "detail": entry.detail}
    if entry.status in HITCHES:
        row = STATUSES[entry.status]
        log.warning("replicate_moved", **told, acts=row.acts, next_step=row.next_step)
    else:
        log.info("replicate_moved", **told)
