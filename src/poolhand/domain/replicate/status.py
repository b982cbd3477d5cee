"""The seed's 36 replicate statuses, and every way from one to the next.

One table, ``STATUS_ROWS``, says how each status is entered: from which statuses, who moves it, why,
and what happens or must be done next. ``EDGES``, the explanations that operators read and the
diagram in ``docs/statuses.md`` are made from it.

Source: the seed's worker guide (names and meanings); iExec's scheduler for the order of stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a replicate stands, under the seed's names."""

    CREATED = "CREATED"
    RUNNING = "RUNNING"
    APP_DOWNLOADING = "APP_DOWNLOADING"
    APP_DOWNLOADED = "APP_DOWNLOADED"
    APP_DOWNLOAD_FAILED = "APP_DOWNLOAD_FAILED"
    DATA_DOWNLOADING = "DATA_DOWNLOADING"
    DATA_DOWNLOADED = "DATA_DOWNLOADED"
    DATA_DOWNLOAD_FAILED = "DATA_DOWNLOAD_FAILED"
    COMPUTING = "COMPUTING"
    COMPUTED = "COMPUTED"
    COMPUTE_FAILED = "COMPUTE_FAILED"
    CAN_CONTRIBUTE = "CAN_CONTRIBUTE"
    CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW = "CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW"
    CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE = "CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE"
    CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE = "CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE"
    CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET = (
        "CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET"
    )
    CONTRIBUTING = "CONTRIBUTING"
    CONTRIBUTE_FAILED = "CONTRIBUTE_FAILED"
    CONTRIBUTED = "CONTRIBUTED"
    CANT_REVEAL = "CANT_REVEAL"
    REVEALING = "REVEALING"
    REVEALED = "REVEALED"
    REVEAL_FAILED = "REVEAL_FAILED"
    RESULT_UPLOAD_REQUESTED = "RESULT_UPLOAD_REQUESTED"
    RESULT_UPLOAD_REQUEST_FAILED = "RESULT_UPLOAD_REQUEST_FAILED"
    RESULT_UPLOADING = "RESULT_UPLOADING"
    RESULT_UPLOADED = "RESULT_UPLOADED"
    RESULT_UPLOAD_FAILED = "RESULT_UPLOAD_FAILED"
    COMPLETED = "COMPLETED"
    REVEAL_TIMEOUT = "REVEAL_TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    ABORTED_ON_CONSENSUS_REACHED = "ABORTED_ON_CONSENSUS_REACHED"
    ABORTED_ON_CONTRIBUTION_TIMEOUT = "ABORTED_ON_CONTRIBUTION_TIMEOUT"
    FAILED = "FAILED"
    OUT_OF_GAS = "OUT_OF_GAS"
    RECOVERING = "RECOVERING"


class Party(StrEnum):
    """Who moves a replicate, or must act on it."""

    WORKER = "worker"
    OPERATOR = "operator of the worker"
    SCHEDULER = "scheduler"
    REQUESTER = "requester"
    APP_OWNER = "owner of the app"
    DATASET_OWNER = "owner of the dataset"
    SECRETS_OPERATOR = "operator of the secret management service"
    NOBODY = "nobody"


S = Status

FINAL: Final = frozenset(
    {
        S.COMPLETED,
        S.FAILED,
        S.REVEAL_TIMEOUT,
        S.ABORTED_ON_CONSENSUS_REACHED,
        S.ABORTED_ON_CONTRIBUTION_TIMEOUT,
    }
)
"""Statuses that nothing follows."""

FAILURES: Final = frozenset(
    {
        S.APP_DOWNLOAD_FAILED,
        S.DATA_DOWNLOAD_FAILED,
        S.COMPUTE_FAILED,
        S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW,
        S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
        S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE,
        S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET,
        S.CONTRIBUTE_FAILED,
    }
)
"""Outcomes after which the worker gives the replicate up (FAILED follows): nothing is at stake."""

_BEFORE_CONTRIBUTION: Final = frozenset(
    {
        S.CREATED,
        S.RUNNING,
        S.APP_DOWNLOADING,
        S.APP_DOWNLOADED,
        S.DATA_DOWNLOADING,
        S.DATA_DOWNLOADED,
        S.COMPUTING,
        S.COMPUTED,
        S.CAN_CONTRIBUTE,
        S.CONTRIBUTING,
    }
)
_UPLOAD: Final = frozenset(
    {
        S.RESULT_UPLOAD_REQUESTED,
        S.RESULT_UPLOAD_REQUEST_FAILED,
        S.RESULT_UPLOADING,
        S.RESULT_UPLOADED,
        S.RESULT_UPLOAD_FAILED,
    }
)
_AFTER_CONTRIBUTION: Final = (
    frozenset({S.CONTRIBUTED, S.REVEALING, S.REVEALED, S.REVEAL_FAILED, S.CANT_REVEAL}) | _UPLOAD
)
REVEAL_MINED: Final = frozenset(
    {
        S.REVEALED,
        S.RESULT_UPLOAD_REQUEST_FAILED,
        S.RESULT_UPLOADED,
        S.RESULT_UPLOAD_FAILED,
    }
)
"""Statuses that rest on a mined reveal: if that is taken back, REVEALING follows."""
CONTRIBUTION_MINED: Final = REVEAL_MINED | {
    S.CONTRIBUTED,
    S.REVEALING,
    S.REVEAL_FAILED,
    S.CANT_REVEAL,
}
"""Statuses that rest on a mined contribution: if that is taken back, CONTRIBUTING follows."""
_ALIVE: Final = _BEFORE_CONTRIBUTION | _AFTER_CONTRIBUTION | {S.OUT_OF_GAS}
_INTERRUPTED: Final = frozenset({S.RECOVERING, S.WORKER_LOST})
_ANYWHERE: Final = _ALIVE | FAILURES | _INTERRUPTED
"""The chain has the last word wherever a replicate stands: a re-organisation, or a journal that
lost its last lines, may leave the replicate behind."""


@dataclass(frozen=True, slots=True)
class Row:
    """How one status is entered.

    Attributes:
        status: The status.
        meaning: For a person.
        starts: Statuses it may follow.
        by: Who moves the replicate there.
        cause: Why.
        acts: Who must act next.
        next_step: What happens, or what they should do.
    """

    status: Status
    meaning: str
    starts: frozenset[Status]
    by: Party
    cause: str
    acts: Party
    next_step: str


def _from(*starts: Status) -> frozenset[Status]:
    """Allow these starts, and a return from an interruption."""
    return frozenset(starts) | _INTERRUPTED


W, H, P = Party.WORKER, Party.OPERATOR, Party.SCHEDULER

STATUS_ROWS: Final[tuple[Row, ...]] = (
    Row(S.CREATED, "the scheduler has given the task to the worker", frozenset(), P,
        "the task needs another replicate and the worker has a free slot",
        W, "the worker confirms within seconds"),
    Row(S.RUNNING, "the worker has confirmed that it takes the task", _from(S.CREATED), W,
        "the worker checked the pool's authorization and the deal on chain",
        W, "the app is downloaded"),
    Row(S.APP_DOWNLOADING, "the app image is being pulled by its digest", _from(S.RUNNING), W,
        "the task was accepted", W, "wait for the registry"),
    Row(S.APP_DOWNLOADED, "the app image is on the worker", _from(S.APP_DOWNLOADING), W,
        "the image with the digest on chain is present", W, "data is downloaded"),
    Row(S.APP_DOWNLOAD_FAILED, "the app image could not be pulled",
        _from(S.APP_DOWNLOADING), W,
        "wrong name or digest, registry down, or the pull took too long",
        Party.REQUESTER, "publish the image under the digest of the app contract; another worker "
        "is tried meanwhile"),
    Row(S.DATA_DOWNLOADING, "dataset and input files are being downloaded",
        _from(S.APP_DOWNLOADED), W, "the app is present", W, "wait for the download"),
    Row(S.DATA_DOWNLOADED, "dataset and input files are on the worker",
        _from(S.DATA_DOWNLOADING), W, "all files arrived and the dataset's checksum matches",
        W, "the computation starts"),
    Row(S.DATA_DOWNLOAD_FAILED, "a dataset or input file could not be had",
        _from(S.DATA_DOWNLOADING), W,
        "not found, wrong checksum, too large, too slow, or an address that is not allowed",
        Party.REQUESTER, "make the file reachable with the checksum of the dataset contract; "
        "another worker is tried meanwhile"),
    Row(S.COMPUTING, "the app runs in its sandbox", _from(S.DATA_DOWNLOADED), W,
        "app and data are present", W, "wait, at most the category's time"),
    Row(S.COMPUTED, "the app has ended and its result has a digest", _from(S.COMPUTING), W,
        "exit code 0 and a valid computed.json", W,
        "the worker checks that it may contribute, once the task is initialized on chain"),
    Row(S.COMPUTE_FAILED, "the app did not produce a result", _from(S.COMPUTING), W,
        "exit code, out of memory, out of time, too much output, or no valid computed.json",
        Party.REQUESTER, "read the task's logs and correct the app or its arguments"),
    Row(S.CAN_CONTRIBUTE, "the worker may contribute", _from(S.COMPUTED, S.RESULT_UPLOADED), W,
        "stake, task status, deadline and earlier contributions were checked on chain",
        W, "the contribution is sent"),
    Row(S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW, "the account has too little RLC to stake",
        _from(S.COMPUTED, S.RESULT_UPLOADED, S.CONTRIBUTING), W,
        "free stake is under what the deal locks",
        H, "deposit RLC: poolhand worker deposit, or poolhand account deposit when the worker is "
        "stopped"),
    Row(S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE, "the task takes no more contributions",
        _from(S.COMPUTED, S.RESULT_UPLOADED, S.CONTRIBUTING), W,
        "other workers reached the consensus first, or the task ended",
        Party.NOBODY, "nothing is lost: no stake was locked"),
    Row(S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE, "the time to contribute is over",
        _from(S.COMPUTED, S.RESULT_UPLOADED, S.CONTRIBUTING), W,
        "7 periods of the category have passed since the purchase",
        H, "if it happens often: take smaller categories or fewer tasks at once"),
    Row(S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET,
        "this wallet has contributed to the task before",
        _from(S.COMPUTED, S.RESULT_UPLOADED, S.CONTRIBUTING), W,
        "the wallet was used elsewhere, or the task was reopened",
        H, "use one exclusive wallet per worker"),
    Row(S.CONTRIBUTING, "the contribution is on its way to the chain",
        _from(S.CAN_CONTRIBUTE, S.OUT_OF_GAS) | CONTRIBUTION_MINED, W,
        "the checks passed, or the chain took an earlier block back", W, "wait for a block"),
    Row(S.CONTRIBUTE_FAILED, "the contribution was not accepted", _from(S.CONTRIBUTING), W,
        "the contract refused the transaction", H,
        "read the cause; the task is given to another worker"),
    Row(S.CONTRIBUTED, "the contribution is on chain and the stake is locked",
        _from(S.CONTRIBUTING), W, "the transaction was mined", P,
        "wait for the consensus"),
    Row(S.CANT_REVEAL, "the result cannot be revealed", _from(S.CONTRIBUTED, S.REVEALING), W,
        "the reveal deadline passed, the consensus differs, or the result is gone",
        H, "the worker reveals after all if the chain lets it; else the stake is lost when the "
        "task is finalized: keep the worker's folder on a safe disk"),
    Row(S.REVEALING, "the reveal is on its way to the chain",
        _from(S.CONTRIBUTED, S.REVEAL_FAILED, S.CANT_REVEAL, S.OUT_OF_GAS) | REVEAL_MINED, W,
        "the consensus is this worker's result, or the chain took an earlier reveal back",
        W, "wait for a block"),
    Row(S.REVEALED, "the result is proved on chain", _from(S.REVEALING), W,
        "the transaction was mined", P, "one worker is asked for the result"),
    Row(S.REVEAL_FAILED, "the reveal was not accepted", _from(S.REVEALING), W,
        "the contract refused the transaction", W,
        "the worker looks at the chain and tries again, until the deadline to reveal"),
    Row(S.RESULT_UPLOAD_REQUESTED, "the worker is asked to upload the result",
        _from(S.REVEALED, S.RESULT_UPLOAD_FAILED, S.RESULT_UPLOAD_REQUEST_FAILED,
              S.RESULT_UPLOADED), P,
        "a first reveal is on chain and this worker was chosen", W, "the upload starts"),
    Row(S.RESULT_UPLOAD_REQUEST_FAILED, "the worker did not take the upload",
        _from(S.RESULT_UPLOAD_REQUESTED), W, "the result is no longer on its disk",
        P, "another worker is asked"),
    Row(S.RESULT_UPLOADING, "the result is being uploaded",
        _from(S.RESULT_UPLOAD_REQUESTED, S.COMPUTED), W,
        "the upload was requested, or the flow uploads before it contributes",
        W, "wait for the results service"),
    Row(S.RESULT_UPLOADED, "the result is stored", _from(S.RESULT_UPLOADING), W,
        "the results service checked and kept it", P, "the task is finalized"),
    Row(S.RESULT_UPLOAD_FAILED, "the result could not be uploaded", _from(S.RESULT_UPLOADING), W,
        "the results service was down or refused it", P, "another worker is asked"),
    Row(S.COMPLETED, "the task is finalized; who was part of the consensus is paid",
        _ANYWHERE, P, "the finalization was mined", Party.NOBODY, "stake and reward are free"),
    Row(S.REVEAL_TIMEOUT, "the worker did not reveal in time",
        _ANYWHERE, P,
        "2 periods of the category have passed since the consensus", H,
        "the stake is lost when the task is finalized; keep the worker connected"),
    Row(S.WORKER_LOST, "the worker has not been heard of", _ALIVE | FAILURES | {S.RECOVERING}, P,
        "the lease of its connection ran out", H,
        "start the worker again: it goes on where it stopped"),
    Row(S.ABORTED_ON_CONSENSUS_REACHED, "the consensus was reached without this worker",
        _ANYWHERE, P,
        "other workers agreed first, or on another result", Party.NOBODY,
        "an earlier contribution to another result loses its stake"),
    Row(S.ABORTED_ON_CONTRIBUTION_TIMEOUT, "the worker did not contribute in time",
        _ANYWHERE, P,
        "7 periods of the category have passed since the purchase", Party.NOBODY,
        "nothing was staked"),
    Row(S.FAILED, "the worker's part in the task is over without success",
        _ANYWHERE, W, "an earlier status says why, or its own words", P,
        "the task is given to another worker"),
    Row(S.OUT_OF_GAS, "the wallet cannot pay for a transaction",
        _from(S.CONTRIBUTING, S.REVEALING), W, "the coin balance is under the transaction's cost",
        H, "send coin to the wallet: the worker goes on by itself"),
    Row(S.RECOVERING, "the worker was stopped and goes on where it was",
        (_ALIVE - {S.CREATED}) | {S.WORKER_LOST}, W,
        "the worker was started again with this task in its journal",
        W, "the interrupted stage is resumed"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edge:
    """One permitted move, with what a person wants to know of it."""

    start: Status
    finish: Status
    by: Party
    cause: str
    acts: Party
    next_step: str


STATUSES: Final[Mapping[Status, Row]] = {row.status: row for row in STATUS_ROWS}
"""Explanation of each status."""

EDGE_TABLE: Final[tuple[Edge, ...]] = tuple(
    Edge(start, row.status, row.by, row.cause, row.acts, row.next_step)
    for row in STATUS_ROWS
    for start in sorted(row.starts, key=list(Status).index)
    if start is not row.status
)
"""Every permitted move."""

EDGES: Final[Mapping[Status, frozenset[Status]]] = {
    start: frozenset(edge.finish for edge in EDGE_TABLE if edge.start is start) for start in Status
}
"""Status to the statuses that may follow it; empty for final ones."""
