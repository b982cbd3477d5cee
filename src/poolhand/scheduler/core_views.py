"""What is told of a task in the words of iExec's own scheduler."""

from __future__ import annotations

from collections.abc import Mapping

from poolhand.domain.ids import Address
from poolhand.domain.replicate.events import Entry, Flow
from poolhand.domain.replicate.exit_code import app_exit_code
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.views import link_of
from poolhand.wire.core_api import (
    CoreLogs,
    CoreMoment,
    CoreOutput,
    CoreReplicate,
    CoreTask,
    core_status,
)
from poolhand.wire.market_json import iso_moment


def show_core_task(task: Task, url: str) -> CoreTask:
    """Show a task; ``url`` is the pool's, under which logs are found."""
    facts, view = task.facts, task.view
    return CoreTask(
        chain_task_id=facts.task_id,
        current_status=task.status,
        date_status_list=tuple(
            CoreMoment(status=status, date=_date(at)) for status, at in task.history
        ),
        replicates=tuple(show_core_replicate(task, each, url) for each in task.attempts),
        trust=facts.trust,
        tag=str(facts.tag),
        consensus=view.consensus if view and any(view.consensus) else None,
        contribution_deadline=_date(facts.contribution_deadline),
        reveal_deadline=_date(view.reveal_deadline) if view and view.reveal_deadline else None,
        final_deadline=_date(facts.final_deadline),
        result_link=link_of(task),
    )


def show_core_replicate(task: Task, attempt: Attempt, url: str) -> CoreReplicate:
    """Show a replicate; statuses that are one and the same there are told once."""
    history = list[CoreMoment]()
    for entry in attempt.log:
        told = _moment(entry, task.flow)
        if not history or (told.status, told.cause) != (history[-1].status, history[-1].cause):
            history.append(told)
    name, worker = task.facts.task_id, attempt.worker
    return CoreReplicate(
        chain_task_id=name,
        wallet_address=worker,
        current_status=history[-1].status,
        status_update_list=tuple(history),
        app_exit_code=app_exit_code(attempt.log),
        result_link=task.stored.link if task.stored and task.stored.worker == worker else None,
        app_logs=f"{url}/tasks/{name}/replicates/{worker}/logs",
    )


def show_core_logs(task: Task, printed: Mapping[Address, tuple[str, str]]) -> CoreLogs:
    """Show what the app of a task printed, by worker."""
    return CoreLogs(
        chain_task_id=task.facts.task_id,
        compute_logs_list=tuple(show_core_output(*each) for each in printed.items()),
    )


def show_core_output(worker: Address, printed: tuple[str, str]) -> CoreOutput:
    """Show what the app printed on one worker."""
    return CoreOutput(wallet_address=worker, stdout=printed[0], stderr=printed[1])


def _moment(entry: Entry, flow: Flow) -> CoreMoment:
    status, cause = core_status(entry.status, flow)
    return CoreMoment(status=status, date=_date(entry.at), cause=cause)


def _date(at: UnixSeconds) -> str:
    return iso_moment(at * 1000)
