"""Sessions of workers as the scheduler sees them: who may come, what is said both ways.

Messages are derived from the tasks' wanted effects, so that a worker that comes back without its
session is simply told again whatever still holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import structlog

from poolhand.domain.errors import IllegalTransition
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.placement.worker import ConnectedWorker, source_of
from poolhand.domain.replicate.machine import Entry
from poolhand.domain.replicate.status import Status
from poolhand.domain.reputation import Reputation
from poolhand.domain.signal import Signal
from poolhand.domain.task import machine
from poolhand.domain.task.machine import (
    Found,
    Lost,
    Misbehaved,
    TellActivated,
    TellEnd,
    TellOffer,
    TellReveal,
    TellUpload,
)
from poolhand.domain.task.model import Stored, Task
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.ports.signer import Signer
from poolhand.scheduler.admission import Admission
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.transport.gate import Arrival
from poolhand.wire.messages import (
    Aborted,
    About,
    AcknowledgeReports,
    AskReveal,
    AskUpload,
    Capacity,
    Completed,
    Conditions,
    Declined,
    Login,
    Logs,
    OfferTask,
    ReportBatch,
    SchedulerBound,
    TaskActivated,
    TaskOutput,
    Upload,
    WorkerBound,
    WorkProgress,
)
from poolhand.wire.tee_messages import OfferConfidentialTask, TeeProof

WORK_UNTOLD: Final = "has not told yet whether it takes work"
"""Why a worker of a new session gets nothing: a paused one would have to decline it."""
MOST_LEAPS: Final = 16
"""Reports of one replicate in a row that leap ahead."""
KEPT_LEAPS: Final = 10_000
"""Replicates of which such reports are counted."""

log = structlog.get_logger()
Tell = TellOffer | TellActivated | TellReveal | TellUpload | TellEnd


class WorkerSessions:
    """Speaks with workers on behalf of the engine.

    Args:
        tell: Hands a message to a worker's session; without one it is dropped, for the worker will
            be told again when it comes back.
        now: The chain's time.
        wake: Called when somebody may have become free.
        strike: Told of garbage, which a worker may not send too often.
        reputation: What the pool knows of a worker.
        admission: Who may come.
        secrets_url: Where the secrets of confidential tasks are; empty: there are none.

    Attributes:
        arrived: Tells of each worker that has come.
        adopted: Tells of tasks to which a replicate was added that is on chain already.
        printed: Tells what apps print, of tasks that the worker was given.
        claimed: Tells of each worker that has come and says that it has frameworks of a TEE.
        proved: Tells of evidence that a worker has sent.
        gone: Tells of a worker whose lease has ended.
        declines: Tells who takes a task not because its operator so chooses.
    """

    def __init__(
        self,
        engine: Engine,
        workers: WorkerDirectory,
        signer: Signer,
        now: Callable[[], UnixSeconds],
        tell: Callable[[Address, WorkerBound], None],
        wake: Callable[[], None],
        strike: Callable[[Address, str], None],
        reputation: Callable[[Address], Reputation],
        admission: Admission = Admission(),
        secrets_url: str = "",
    ) -> None:
        self._engine, self._directory = engine, workers
        self._signer, self._now = signer, now
        self._tell, self._wake, self._strike, self._admission = tell, wake, strike, admission
        self._reputation, self._secrets_url = reputation, secrets_url
        self.arrived: Signal[[Address]] = Signal()
        self.adopted: Signal[[Iterable[TaskId]]] = Signal()
        self._leaps: OrderedDict[tuple[Address, TaskId], int] = OrderedDict()
        self.claimed: Signal[[Arrival]] = Signal()
        self.proved: Signal[[Address, TeeProof]] = Signal()
        self.gone: Signal[[Address]] = Signal()
        self.declines: Signal[[Address, TaskId]] = Signal()
        self.printed: Signal[[Address, Logs | TaskOutput | WorkProgress]] = Signal()

    # ------------------------------------------------------------------------------- out: effects

    def act(self, task: Task, effect: Tell) -> None:
        """Tell a worker what an effect asks for."""
        self._tell(effect.worker, self.message(task, effect))

    def message(self, task: Task, effect: Tell) -> WorkerBound:
        """Put an effect into words for its worker."""
        facts = task.facts
        match effect:
            case TellOffer(worker):
                return self._offer(task, worker)
            case TellActivated():
                block = task.view.block if task.view else BlockNumber(0)
                return TaskActivated(facts.task_id, block)
            case TellReveal(_, consensus):
                return AskReveal(facts.task_id, consensus)
            case TellUpload():
                return AskUpload(facts.task_id)
            case TellEnd(_, status):
                if status is Status.COMPLETED:
                    return Completed(facts.task_id)
                return Aborted(facts.task_id, status)

    def _offer(self, task: Task, worker: Address) -> OfferTask | OfferConfidentialTask:
        """Authorize a worker: of a confidential task for its enclave only."""
        facts, enclave = task.facts, task.enclave
        signed = self._signer.sign_authorization(worker, facts.task_id, enclave or ZERO_ADDRESS)
        if enclave is None:
            return OfferTask(facts.task_id, facts.deal_id, facts.index, task.flow, signed)
        return OfferConfidentialTask(
            facts.task_id,
            facts.deal_id,
            facts.index,
            task.flow,
            signed,
            enclave,
            self._secrets_url,
        )

    # ------------------------------------------------------------------- in: sessions of workers

    def admit(self, login: Login) -> None:
        """Let a worker in.

        Raises:
            WorkerBanned, WorkerNotAllowed, WorkerOutdated: As the pool's owner has decided.
        """
        self._admission.check(login)

    def connected(self, arrival: Arrival) -> None:
        """Note that a worker is there, and tell it all that holds: it may know nothing."""
        can, worker = arrival.capabilities, arrival.worker
        told = ConnectedWorker(worker, can.name, can.version, can.cpus, can.slots, 0, ())
        known, source = self._reputation(worker), source_of(arrival.address)
        told = replace(told, reputation=known, source=source, paused=True, reason=WORK_UNTOLD)
        told = replace(told, protocol=arrival.version)
        self._directory.join(_as_known(told, self._directory.get(worker)))
        self.arrived(worker)
        now = self._now()
        self._adopt(arrival)
        for task in tuple(self._engine.tasks_of(worker)):
            self._engine.feed(task.facts.task_id, Found(now, worker))
            self._retell(self._engine.tasks[task.facts.task_id], worker)
        self._release(arrival)
        self.claimed(arrival)
        log.info("worker_connected", worker=str(worker), slots=can.slots)
        self._wake()

    def _adopt(self, arrival: Arrival) -> None:
        """Know replicates again that the database lacks, for it was restored from an older copy.

        Only those that the chain shows: nobody's word alone makes it a worker of a task.
        """
        for held in arrival.replicates:
            self._leaps.pop((arrival.worker, held.task_id), None)
            task = self._engine.tasks.get(held.task_id)
            if task and task.view and arrival.worker in task.view.contributors:
                self._take_back(task, arrival.worker)

    def contributed(self, task_id: TaskId, worker: Address) -> None:
        """Hear that a worker has a contribution on chain; the database may know nothing of it."""
        task = self._engine.tasks.get(task_id)
        if task is not None and self._take_back(task, worker):
            self._tell(worker, AcknowledgeReports(task_id, 0))

    def _take_back(self, task: Task, worker: Address) -> bool:
        """Add a replicate of a worker that is there, unless it is known; returns whether it was."""
        known, task_id = self._directory.get(worker), task.facts.task_id
        if known is None or task.attempt(worker) is not None or machine.is_settled(task):
            return False
        now, proved = self._now(), known.reputation.is_proved
        self._engine.feed(task_id, machine.Assigned(now, worker, known.weight, proved, now))
        log.info("replicate_known_again", task_id=str(task_id), worker=str(worker))
        self.adopted((task_id,))
        return True

    def _retell(self, task: Task, worker: Address) -> None:
        for effect in machine.outstanding(task):
            if isinstance(effect, Tell) and effect.worker == worker:
                with self._engine.boundary.around("telling", task_id=str(task.facts.task_id)):
                    self.act(task, effect)

    def _release(self, arrival: Arrival) -> None:
        """Tell a worker to drop replicates of tasks that this pool does not know or has closed.

        One that only the worker knows goes on, for it has our authorization: the database may be an
        older copy. It is known again once it is on chain, or when the task is offered to it.
        """
        for held in arrival.replicates:
            task = self._engine.tasks.get(held.task_id)
            attempt = task.attempt(arrival.worker) if task else None
            if attempt is None:
                if task is None or machine.is_settled(task):
                    self._tell(arrival.worker, Aborted(held.task_id, Status.FAILED))
            elif attempt.is_over:
                self._tell_end(arrival.worker, held.task_id, attempt.status)
            else:
                self._tell(arrival.worker, AcknowledgeReports(held.task_id, attempt.reports))

    def _tell_end(self, worker: Address, task_id: TaskId, status: Status) -> None:
        done = status is Status.COMPLETED
        self._tell(worker, Completed(task_id) if done else Aborted(task_id, status))

    def lost(self, worker: Address) -> None:
        """Take a worker's lease away: its replicates no longer count."""
        self._directory.leave(worker)
        self.gone(worker)
        self._lose(worker)

    def _lose(self, worker: Address) -> None:
        now = self._now()
        for task in tuple(self._engine.tasks_of(worker)):
            self._engine.feed(task.facts.task_id, Lost(now, worker))
        log.warning("worker_lost", worker=str(worker))
        self._wake()

    def received(self, worker: Address, message: SchedulerBound) -> None:
        """Take what a worker tells; what it leads to by no fault of its own ends with it."""
        kind, task_id = type(message).__name__, str(getattr(message, "task_id", None))
        with self._engine.boundary.around(
            "message", worker=str(worker), kind=kind, task_id=task_id
        ):
            self._receive(worker, message)

    def _receive(self, worker: Address, message: SchedulerBound) -> None:
        match message:
            case ReportBatch():
                self._reported(worker, message)
            case Logs() | TaskOutput() | WorkProgress():
                self._printed(worker, message)
            case About(sandbox, gpus):
                self._directory.tells(worker, sandbox, gpus)
                self._wake()
            case Capacity(reason):
                if self._directory.pause(worker, paused=reason is not None, reason=reason):
                    self._wake()
            case Conditions(longest, least_reward, hosts):
                self._directory.agree(worker, longest, least_reward, hosts)
                self._wake()
            case Declined() | TeeProof():
                self._heard(worker, message)

    def _heard(self, worker: Address, message: Declined | TeeProof) -> None:
        if isinstance(message, Declined):
            self.declines(worker, message.task_id)
        else:
            self.proved(worker, message)

    def _reported(self, worker: Address, message: ReportBatch) -> None:
        task_id = message.task_id
        task = self._engine.tasks.get(task_id)
        attempt = task.attempt(worker) if task else None
        if attempt is None:
            self._tell(worker, AcknowledgeReports(task_id, message.first + len(message.statuses)))
            return
        if message.first > attempt.reports and self._asks_again(worker, task_id):
            self._tell(worker, AcknowledgeReports(task_id, attempt.reports))
            return
        self._leaps.pop((worker, task_id), None)
        try:
            entries = tuple(
                Entry(Status(each.status), each.at, each.detail, each.tx)
                for each in message.statuses
            )
            claim = _claim(worker, message.upload)
            event = machine.Reported(self._now(), worker, message.first, entries, claim)
            self._engine.feed(task_id, event)
        except (IllegalTransition, ValueError) as fault:
            log.warning(
                "report_refused", worker=str(worker), task_id=str(task_id), cause=str(fault)
            )
            self._engine.feed(task_id, Misbehaved(self._now(), worker, str(fault)))
            self._tell(worker, Aborted(task_id, Status.FAILED))
            self._strike(worker, f"an impossible report: {fault}")
        attempt = self._engine.tasks[task_id].attempt(worker)
        if attempt is not None:
            last = message.first + len(message.statuses)
            self._tell(worker, AcknowledgeReports(task_id, max(attempt.reports, last)))

    def _asks_again(self, worker: Address, task_id: TaskId) -> bool:
        """Whether a worker that leaps ahead is told how much we have: it may know more than we do.

        What it says before it has heard that leaps, too; whoever goes on with it tells nonsense.
        """
        leaps = self._leaps.get((worker, task_id), 0) + 1
        self._leaps[worker, task_id] = leaps
        while len(self._leaps) > KEPT_LEAPS:
            self._leaps.popitem(last=False)
        return leaps <= MOST_LEAPS

    def _printed(self, worker: Address, message: Logs | TaskOutput | WorkProgress) -> None:
        task = self._engine.tasks.get(message.task_id)
        if task is not None and task.attempt(worker) is not None:
            self.printed(worker, message)


def _as_known(told: ConnectedWorker, before: ConnectedWorker | None) -> ConnectedWorker:
    """Return a worker that is back with what the chain said of it when it was here."""
    if before is None:
        return told
    return replace(told, score=before.score, stake=before.stake, locked=before.locked)


def _claim(worker: Address, upload: Upload | None) -> Stored | None:
    if upload is None:
        return None
    return Stored(worker, upload.link, upload.digest, upload.callback_data or b"")
