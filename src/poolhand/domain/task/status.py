"""Statuses of a task in the scheduler, and which may follow which.

Source: iExec's scheduler (names); the hub's own five statuses are ``ChainTaskStatus``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class TaskStatus(StrEnum):
    """Where a task stands, derived from the chain's view and the replicates."""

    RECEIVED = "RECEIVED"
    INITIALIZING = "INITIALIZING"
    INITIALIZED = "INITIALIZED"
    RUNNING = "RUNNING"
    RUNNING_FAILED = "RUNNING_FAILED"
    CONTRIBUTION_TIMEOUT = "CONTRIBUTION_TIMEOUT"
    CONSENSUS_REACHED = "CONSENSUS_REACHED"
    REOPENING = "REOPENING"
    AT_LEAST_ONE_REVEALED = "AT_LEAST_ONE_REVEALED"
    RESULT_UPLOADING = "RESULT_UPLOADING"
    RESULT_UPLOADED = "RESULT_UPLOADED"
    FINALIZING = "FINALIZING"
    COMPLETED = "COMPLETED"
    FINAL_DEADLINE_REACHED = "FINAL_DEADLINE_REACHED"
    FAILED = "FAILED"


T = TaskStatus

MEANINGS: Final[Mapping[TaskStatus, str]] = {
    T.RECEIVED: "the deal was seen; no worker is free for it yet",
    T.INITIALIZING: "workers have begun; the initialization is on its way to the chain",
    T.INITIALIZED: "the task is active on chain; no worker is at it",
    T.RUNNING: "the task is active on chain and workers are at it",
    T.RUNNING_FAILED: "too many workers failed at it; no further ones are tried",
    T.CONTRIBUTION_TIMEOUT: "7 periods passed without a proof; it can be claimed after 10",
    T.CONSENSUS_REACHED: "enough workers agree; they are asked to reveal",
    T.REOPENING: "nobody revealed in time; the task is given out again",
    T.AT_LEAST_ONE_REVEALED: "a result is proved; one worker is asked to upload it",
    T.RESULT_UPLOADING: "the result is being uploaded",
    T.RESULT_UPLOADED: "the result is stored; the other reveals are awaited",
    T.FINALIZING: "the finalization is on its way to the chain",
    T.COMPLETED: "the result is public and everybody is paid",
    T.FINAL_DEADLINE_REACHED: "10 periods passed; the task is claimed and the requester refunded",
    T.FAILED: "the requester was refunded",
}
"""For a person."""

CAUSES: Final[Mapping[TaskStatus, str]] = {
    T.RECEIVED: "the chain told of a deal with this pool",
    T.INITIALIZING: "a worker was found for it",
    T.INITIALIZED: "the initialization is on chain, and every worker has left it",
    T.RUNNING: "the initialization is on chain, and a worker is at it",
    T.RUNNING_FAILED: "as many workers failed as are tried",
    T.CONTRIBUTION_TIMEOUT: "7 periods of the category have passed since the purchase",
    T.CONSENSUS_REACHED: "the contributions on one result outweigh what the trust asks for",
    T.REOPENING: "2 periods of the category have passed since the consensus",
    T.AT_LEAST_ONE_REVEALED: "a first reveal is on chain",
    T.RESULT_UPLOADING: "a worker that revealed has begun to upload",
    T.RESULT_UPLOADED: "the results service has checked and kept the result",
    T.FINALIZING: "the result is stored, and every winner has revealed or its time is up",
    T.COMPLETED: "the finalization is on chain",
    T.FINAL_DEADLINE_REACHED: "10 periods of the category have passed since the purchase",
    T.FAILED: "the claim is on chain, or the chain dropped the deal",
}
"""Why a task gets there, for a person."""

DEAL_IS_GONE: Final = "a re-organisation of the chain dropped the deal; it may come back"
"""What any status means for a person while the chain does not have the task's deal."""

FINAL_TASK: Final = frozenset({T.COMPLETED, T.FAILED})
"""What the chain never takes back once it is deep enough."""

_COMPUTING = frozenset({T.RECEIVED, T.INITIALIZING, T.INITIALIZED, T.RUNNING, T.RUNNING_FAILED})
_REVEALING = frozenset(
    {
        T.CONSENSUS_REACHED,
        T.AT_LEAST_ONE_REVEALED,
        T.RESULT_UPLOADING,
        T.RESULT_UPLOADED,
        T.FINALIZING,
    }
)
_LATE = frozenset({T.CONTRIBUTION_TIMEOUT, T.REOPENING, T.FINAL_DEADLINE_REACHED})

_FOLLOWERS: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    # A scheduler that was away meets any later status; a re-organised chain goes back.
    **dict.fromkeys(_COMPUTING, _COMPUTING | _REVEALING | _LATE | FINAL_TASK),
    **dict.fromkeys(_REVEALING, _REVEALING | _LATE | FINAL_TASK | _COMPUTING),
    T.CONTRIBUTION_TIMEOUT: _REVEALING | FINAL_TASK | {T.FINAL_DEADLINE_REACHED, T.REOPENING},
    T.REOPENING: _COMPUTING | _REVEALING | _LATE | FINAL_TASK,
    T.FINAL_DEADLINE_REACHED: FINAL_TASK,
    T.COMPLETED: frozenset(),
    T.FAILED: frozenset(),
}
TAKEN_BACK: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    end: frozenset(TaskStatus) - {end} for end in FINAL_TASK
}
"""What may follow an end that a re-organised chain took back, and nothing else can.

"A finalized task never changes" is the chain's word, which it gives for good only when the block
is deep enough. Until then whoever sees it taken back must send again what was sent, so the task
goes back to where the chain now has it. Replicates that ended stay ended: their workers see to
their own transactions.
"""
TASK_EDGES: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    status: following - {status} for status, following in _FOLLOWERS.items()
}
"""Status to what may follow; nothing follows COMPLETED and FAILED."""
