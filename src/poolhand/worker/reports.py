"""What a worker tells its pool."""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.ids import TaskId
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.replicate.machine import Replicate, Report
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds
from poolhand.wire.fields import clip
from poolhand.wire.messages import (
    About,
    Capacity,
    Conditions,
    Declined,
    Logs,
    ReportBatch,
    SchedulerBound,
    StatusReport,
    Upload,
)
from poolhand.wire.session_terms import DETAIL, MAX_SENTENCE, MAX_WORD, MOST_REPORTS


class PoolLink(Protocol):
    """The session to the pool."""

    def send(self, message: SchedulerBound) -> None:
        """Send, now or when the connection is back; never blocks."""


class PoolReports:
    """Puts it into messages and sends them; what is not acknowledged is told again by its owner."""

    def __init__(self, link: PoolLink) -> None:
        self._link = link

    def moves(self, task_id: TaskId, replicate: Replicate, reports: tuple[Report, ...]) -> None:
        """Tell of a replicate's new statuses; where the result lies goes with the upload."""
        for start in range(0, len(reports), MOST_REPORTS):
            batch = reports[start : start + MOST_REPORTS]
            statuses = {each.entry.status for each in batch}
            upload = _upload(replicate) if Status.RESULT_UPLOADED in statuses else None
            entries = tuple(_report(each) for each in batch)
            self._link.send(ReportBatch(task_id, batch[0].index, entries, upload))

    def none_here(self, task_id: TaskId, at: UnixSeconds, detail: str) -> None:
        """Say that there is no replicate of a task here, and why."""
        entry = StatusReport(Status.FAILED, at, None, clip(detail, DETAIL))
        self._link.send(ReportBatch(task_id, 0, (entry,), None))

    def chosen(self, task_id: TaskId) -> None:
        """Say that what is declined next is the operator's choice."""
        self._link.send(Declined(task_id))

    def logs(self, task_id: TaskId, stdout: bytes, stderr: bytes) -> None:
        """Tell what an app printed, as much of its end as a message may hold."""
        out, err = stdout.decode(errors="replace"), stderr.decode(errors="replace")
        self._link.send(Logs.tail(task_id, out, err))

    def capacity(self, paused: str | None) -> None:
        """Tell whether tasks are taken: None, or why none are."""
        self._link.send(Capacity(None if paused is None else clip(paused, MAX_SENTENCE)))

    def about(self, sandbox: str, gpus: int) -> None:
        """Tell in what apps run here (empty: not known yet), and how many GPUs there are."""
        self._link.send(About(clip(sandbox, MAX_WORD), gpus))

    def conditions(
        self, longest: Seconds | None, least_reward: NanoRlc, hosts: tuple[NetworkHost, ...]
    ) -> None:
        """Tell which tasks are taken: see ``wire.messages.Conditions``."""
        self._link.send(Conditions(longest, least_reward, hosts))


def _report(report: Report) -> StatusReport:
    entry = report.entry
    detail = None if entry.detail is None else clip(entry.detail, DETAIL)
    return StatusReport(entry.status, entry.at, entry.tx, detail)


def _upload(replicate: Replicate) -> Upload | None:
    if replicate.link is None or replicate.digest is None:
        return None
    return Upload(replicate.link, replicate.callback_data, replicate.digest)
