"""Carries out what the tasks' machines ask for, each kind by whom it concerns."""

from __future__ import annotations

from poolhand.domain.task.machine import (
    AskChallenge,
    CheckResult,
    SendClaim,
    SendFinalize,
    SendInitialize,
    SendReopen,
    TaskMachineEffect,
)
from poolhand.domain.task.model import Task
from poolhand.scheduler.check_queue import CheckQueue
from poolhand.scheduler.enclave_challenges import EnclaveChallenges
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.mail import Mail
from poolhand.scheduler.transactions import Transactions
from poolhand.scheduler.worker_sessions import WorkerSessions


class Effects:
    """Listens to the engine; returns at once, whatever an effect takes."""

    def __init__(
        self,
        engine: Engine,
        transactions: Transactions,
        checks: CheckQueue,
        workers: WorkerSessions,
        mail: Mail,
        enclaves: EnclaveChallenges,
    ) -> None:
        self._transactions, self._checks = transactions, checks
        self._workers, self._mail, self._enclaves = workers, mail, enclaves
        engine.act.connect(self._carry_out)

    def _carry_out(self, task: Task, effect: TaskMachineEffect) -> None:
        match effect:
            case SendInitialize() | SendFinalize() | SendReopen() | SendClaim():
                self._transactions.act(task, effect)
            case CheckResult():
                self._checks.begin(task, effect)
            case AskChallenge():
                self._enclaves.begin(task)
            case _:  # the journal holds why already
                self._mail.hand(effect.worker, self._workers.message(task, effect))
