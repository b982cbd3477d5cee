"""What each worker of a task should be told now, as effects of the scheduler's machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.events import (
    TaskMachineEffect,
    TellActivated,
    TellEnd,
    TellOffer,
    TellReveal,
    TellUpload,
)
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import awaits_enclave, uploader, verdict

_BEFORE_CHECK: Final = frozenset(
    {
        Status.RUNNING,
        Status.APP_DOWNLOADING,
        Status.APP_DOWNLOADED,
        Status.DATA_DOWNLOADING,
        Status.DATA_DOWNLOADED,
        Status.COMPUTING,
        Status.COMPUTED,
        Status.RESULT_UPLOADING,
        Status.RESULT_UPLOADED,
        Status.RECOVERING,
    }
)
_MAY_UPLOAD: Final = frozenset(
    {
        Status.REVEALED,
        Status.RESULT_UPLOAD_FAILED,
        Status.RESULT_UPLOAD_REQUEST_FAILED,
        Status.RESULT_UPLOADED,
    }
)


def tidings(task: Task, attempt: Attempt) -> Iterator[TaskMachineEffect]:
    """Yield what a worker that is there should be told."""
    if not attempt.live or attempt.is_over:
        return
    worker, status = attempt.worker, attempt.status
    end = verdict(task, attempt)
    if end is not None:
        yield TellEnd(worker, end)
        return
    if attempt.reports == 0 and not awaits_enclave(task):
        yield TellOffer(worker)
    if task.chain_status is ChainTaskStatus.ACTIVE and status in _BEFORE_CHECK:
        yield TellActivated(worker)
    unproved = task.contribution(worker) is ContributionStatus.CONTRIBUTED
    if task.view and _is_revealing(task) and unproved and task.agrees(worker):
        yield TellReveal(worker, task.view.consensus)
    if status in _MAY_UPLOAD and uploader(task) == worker:
        failures = (Status.RESULT_UPLOAD_FAILED, Status.RESULT_UPLOAD_REQUEST_FAILED)
        yield TellUpload(worker, attempt.count(*failures))


def _is_revealing(task: Task) -> bool:
    return task.chain_status is ChainTaskStatus.REVEALING
