"""A task as iExec's own scheduler tells it: what ``iexec task debug`` of the SDK reads.

Names of members, statuses and causes are iExec's; ours are mapped here and nowhere else. Several of
our statuses are one of theirs, and the cause says the rest.

Source: iexec-core 9, services-api.md 5.2, scheduler-protocol.md 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from poolhand.domain.replicate.events import Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.status import TaskStatus
from poolhand.wire.json_models import JsonAddress, JsonResultHash, JsonTaskId, Told, Words


class _Core(Told):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


class CoreMoment(_Core):
    """A line of a history; ``date`` in ISO 8601."""

    status: str
    date: str
    cause: str | None = None


class CoreReplicate(_Core):
    """One worker's attempt; ``appExitCode`` is null where its worker told none."""

    chain_task_id: JsonTaskId
    wallet_address: JsonAddress
    current_status: str
    status_update_list: tuple[CoreMoment, ...]
    app_exit_code: int | None = None
    result_link: Words | None = None
    app_logs: str


class CoreTask(_Core):
    """``GET /tasks/{id}``."""

    chain_task_id: JsonTaskId
    current_status: TaskStatus
    date_status_list: tuple[CoreMoment, ...]
    replicates: tuple[CoreReplicate, ...]
    trust: int
    tag: str
    consensus: JsonResultHash | None = None
    contribution_deadline: str
    reveal_deadline: str | None = None
    final_deadline: str
    result_link: Words | None = None


class CoreOutput(_Core):
    """What the app printed on one worker."""

    wallet_address: JsonAddress
    stdout: Words
    stderr: Words


class CoreLogs(_Core):
    """``GET /tasks/{id}/logs``: for the requester alone."""

    chain_task_id: JsonTaskId
    compute_logs_list: tuple[CoreOutput, ...]


S = Status
_CORE_STATUS: Final[Mapping[Status, tuple[str, str | None]]] = {
    S.RUNNING: ("STARTED", None),
    S.CAN_CONTRIBUTE: ("COMPUTED", None),
    S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW: ("CONTRIBUTE_FAILED", "STAKE_TOO_LOW"),
    S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE: ("CONTRIBUTE_FAILED", "TASK_NOT_ACTIVE"),
    S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE: ("CONTRIBUTE_FAILED", "CONTRIBUTION_TIMEOUT"),
    S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET: (
        "CONTRIBUTE_FAILED",
        "CONTRIBUTION_ALREADY_SET",
    ),
    S.CANT_REVEAL: ("REVEAL_FAILED", None),
    S.RESULT_UPLOAD_REQUEST_FAILED: ("RESULT_UPLOAD_FAILED", None),
    S.REVEAL_TIMEOUT: ("FAILED", "REVEAL_TIMEOUT"),
    S.ABORTED_ON_CONSENSUS_REACHED: ("ABORTED", "CONSENSUS_REACHED"),
    S.ABORTED_ON_CONTRIBUTION_TIMEOUT: ("ABORTED", "CONTRIBUTION_TIMEOUT"),
    S.OUT_OF_GAS: ("RECOVERING", "OUT_OF_GAS"),
}
"""Ours to theirs with its cause; whatever is missing has the same name there."""
_AT_ONCE: Final = {
    "CONTRIBUTING": "CONTRIBUTE_AND_FINALIZE_ONGOING",
    "CONTRIBUTED": "CONTRIBUTE_AND_FINALIZE_DONE",
    "CONTRIBUTE_FAILED": "CONTRIBUTE_AND_FINALIZE_FAILED",
}
"""What a contribution is called that finalizes its task, too."""


def core_status(status: Status, flow: Flow) -> tuple[str, str | None]:
    """Return a replicate's status and its cause in iExec's words."""
    name, cause = _CORE_STATUS.get(status, (status.value, None))
    return (_AT_ONCE.get(name, name) if flow is Flow.CONTRIBUTE_AND_FINALIZE else name), cause
