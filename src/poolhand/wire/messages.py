"""Messages of the worker protocol: frozen dataclasses whose annotations are their codecs.

A frame is one WebSocket text message: ``{"v": 2, "type": …, "body": {…}}``, see ``wire.frames``.
``v`` is the version of the protocol that gave the message its form.
Limits stand in the annotations. Rules: ``docs/protocol/worker-protocol.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self, TypeAlias

from poolhand.domain.app_lines import AppLine
from poolhand.domain.app_progress import MOST_PROGRESS_WORDS, WHOLE
from poolhand.domain.ids import Address, DealId, ResultDigest, TaskId, TxHash
from poolhand.domain.messages import Nonce
from poolhand.domain.network_hosts import MOST_ALLOWED_HOSTS, NetworkHost
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, UnixSeconds
from poolhand.wire.fields import (
    APP_LINE_FIELD,
    FLAG_FIELD,
    NETWORK_HOST_FIELD,
    WIDEST_CHARACTER,
    blob,
    choice,
    counts,
    fixed,
    integer,
    nested,
    optional,
    plain,
    sequence,
    tail,
    text,
)
from poolhand.wire.session_terms import (
    CALLBACK,
    DETAIL,
    LOG,
    MAX_SENTENCE,
    MAX_WORD,
    MOST_HELD,
    MOST_LINE_NUMBER,
    MOST_OUTPUT_LINES,
    MOST_REPORTS,
)
from poolhand.wire.tee_messages import AskTeeProof, OfferConfidentialTask, TeeProof, TeeProofJudged

_WORD, _SENTENCE, _DETAIL = plain(MAX_WORD), plain(MAX_SENTENCE), plain(DETAIL)
_COUNT, _SMALL = integer(), integer(65_535)
_NONCE, _TASK, _SIGNATURE = fixed(Nonce), fixed(TaskId), blob(65, exact=True)


@dataclass(frozen=True, slots=True)
class Hello:
    """Scheduler, first: who it says it is, and the nonce that the login must answer."""

    versions: Annotated[tuple[int, ...], sequence(_SMALL, 16, 1)]
    chain_id: Annotated[int, _COUNT]
    hub: Annotated[Address, fixed(Address)]
    workerpool: Annotated[Address, fixed(Address)]
    url: Annotated[str, _SENTENCE]
    nonce: Annotated[Nonce, _NONCE]
    time: Annotated[UnixSeconds, _COUNT]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a worker process offers; ``instance`` is random per process start, memory in bytes.

    ``gpu`` tells whether it has a GPU; how many, ``About`` tells, and nothing rests on this alone.
    """

    name: Annotated[str, _WORD]
    version: Annotated[str, _WORD]
    cpus: Annotated[int, _SMALL]
    slots: Annotated[int, _SMALL]
    memory: Annotated[int, _COUNT]
    tee: Annotated[tuple[str, ...], sequence(_WORD, 8)]
    gpu: Annotated[bool, FLAG_FIELD]
    instance: Annotated[Nonce, _NONCE]


@dataclass(frozen=True, slots=True)
class Held:
    """A replicate that the worker holds, and its status."""

    task_id: Annotated[TaskId, _TASK]
    status: Annotated[str, _WORD]


@dataclass(frozen=True, slots=True)
class Login:
    """Worker, second: proves its wallet; ``challenge`` is for the pool to answer."""

    version: Annotated[int, _SMALL]
    worker: Annotated[Address, fixed(Address)]
    capabilities: Annotated[Capabilities, nested(Capabilities)]
    expiry: Annotated[UnixSeconds, _COUNT]
    challenge: Annotated[Nonce, _NONCE]
    signature: Annotated[bytes, _SIGNATURE]
    replicates: Annotated[tuple[Held, ...], sequence(nested(Held), MOST_HELD)]


@dataclass(frozen=True, slots=True)
class Welcome:
    """Scheduler, third: its terms, and the pool owner's proof (a signed ``PoolProof``)."""

    lease_seconds: Annotated[Seconds, _SMALL]
    heartbeat_seconds: Annotated[Seconds, _SMALL]
    results_url: Annotated[str, _SENTENCE]
    expiry: Annotated[UnixSeconds, _COUNT]
    signature: Annotated[bytes, _SIGNATURE]


@dataclass(frozen=True, slots=True)
class Reject:
    """Scheduler: no session; ``retry_after`` in seconds, None when only a person can help."""

    code: Annotated[str, _WORD]
    message: Annotated[str, _SENTENCE]
    retry_after: Annotated[Seconds | None, optional(_SMALL)]


@dataclass(frozen=True, slots=True)
class OfferTask:
    """Compute task ``index`` of a deal; the authorization lets this worker contribute."""

    task_id: Annotated[TaskId, _TASK]
    deal_id: Annotated[DealId, fixed(DealId)]
    index: Annotated[int, _COUNT]
    flow: Annotated[Flow, choice(Flow)]
    authorization: Annotated[bytes, _SIGNATURE]


@dataclass(frozen=True, slots=True)
class TaskActivated:
    """The task is initialized on chain, in ``block``: contributing is possible."""

    task_id: Annotated[TaskId, _TASK]
    block: Annotated[BlockNumber, _COUNT]


@dataclass(frozen=True, slots=True)
class AskReveal:
    """Consensus was reached on ``consensus`` (a result hash): reveal now."""

    task_id: Annotated[TaskId, _TASK]
    consensus: Annotated[bytes, blob(32, exact=True)]


@dataclass(frozen=True, slots=True)
class AskUpload:
    """Upload the result archive."""

    task_id: Annotated[TaskId, _TASK]


@dataclass(frozen=True, slots=True)
class Completed:
    """The task is finalized: the replicate may be forgotten."""

    task_id: Annotated[TaskId, _TASK]


@dataclass(frozen=True, slots=True)
class Aborted:
    """The replicate is no longer wanted."""

    task_id: Annotated[TaskId, _TASK]
    cause: Annotated[str, _WORD]


@dataclass(frozen=True, slots=True)
class AcknowledgeReports:
    """The scheduler has stored the first ``count`` reports of this replicate."""

    task_id: Annotated[TaskId, _TASK]
    count: Annotated[int, _COUNT]


@dataclass(frozen=True, slots=True)
class Idle:
    """Why nothing is offered: reasons and how many tasks each holds back."""

    reasons: Annotated[Mapping[str, int], counts(_WORD, 32)]


@dataclass(frozen=True, slots=True)
class OwnerMessage:
    """What the pool's owner says to the worker's operator, since version 3.

    ``at`` is when that was written, by the pool's clock: one that is told again is the same.
    """

    at: Annotated[UnixSeconds, _COUNT]
    text: Annotated[str, _DETAIL]


@dataclass(frozen=True, slots=True)
class FollowTask:
    """Somebody reads what a task prints, since version 4.

    Attributes:
        task_id: Of the replicate.
        after: The number of the first line that is wanted; None: nobody reads any more.
    """

    task_id: Annotated[TaskId, _TASK]
    after: Annotated[int | None, optional(_COUNT)]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One status a replicate entered, when, and with which transaction."""

    status: Annotated[str, _WORD]
    at: Annotated[UnixSeconds, _COUNT]
    tx: Annotated[TxHash | None, optional(fixed(TxHash))]
    detail: Annotated[str | None, optional(_DETAIL)]


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a result lies, and what it came to."""

    link: Annotated[str, _DETAIL]
    callback_data: Annotated[bytes | None, optional(blob(CALLBACK))]
    digest: Annotated[ResultDigest, fixed(ResultDigest)]


@dataclass(frozen=True, slots=True)
class ReportBatch:
    """A batch of the replicate's reports; ``first`` is the index of the first one from 0.

    ``upload`` is told with the status RESULT_UPLOADED, and None with all others.
    """

    task_id: Annotated[TaskId, _TASK]
    first: Annotated[int, _COUNT]
    statuses: Annotated[tuple[StatusReport, ...], sequence(nested(StatusReport), MOST_REPORTS, 1)]
    upload: Annotated[Upload | None, optional(nested(Upload))]


@dataclass(frozen=True, slots=True)
class Logs:
    """The end of what the container wrote."""

    task_id: Annotated[TaskId, _TASK]
    stdout: Annotated[str, text(LOG)]
    stderr: Annotated[str, text(LOG)]

    @classmethod
    def tail(cls, task_id: TaskId, stdout: str, stderr: str) -> Self:
        """Keep as much of the end of each as fits (``LOG`` bytes on the wire)."""
        return cls(task_id, tail(stdout, LOG), tail(stderr, LOG))


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """Lines that an app has printed, for whoever reads them now, since version 4.

    Attributes:
        task_id: Of the replicate.
        first: The number of the first of them, from 0; what is passed over is lost.
        lines: With consecutive numbers.
        is_last: Whether the app has ended and nothing follows.
    """

    task_id: Annotated[TaskId, _TASK]
    first: Annotated[int, integer(MOST_LINE_NUMBER)]
    lines: Annotated[tuple[AppLine, ...], sequence(APP_LINE_FIELD, MOST_OUTPUT_LINES)]
    is_last: Annotated[bool, FLAG_FIELD]


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """How far a replicate's work is, while somebody reads it, since version 4.

    Attributes:
        task_id: Of the replicate.
        pulled: Bytes of the app's image that have come while it is pulled; None: it is not, or the
            engine does not tell.
        downloaded: Bytes of its data that have come.
        memory: Bytes that its container uses now; 0 while none runs.
        cpu_ms: Milliseconds of all processors together that it has used.
        processes: That run in it.
        millionths: How much of its work is done, as the app itself says; None: it does not.
        words: What it says besides.
    """

    task_id: Annotated[TaskId, _TASK]
    pulled: Annotated[int | None, optional(_COUNT)]
    downloaded: Annotated[int, _COUNT]
    memory: Annotated[int, _COUNT]
    cpu_ms: Annotated[int, _COUNT]
    processes: Annotated[int, _COUNT]
    millionths: Annotated[int | None, optional(integer(WHOLE))]
    words: Annotated[str, plain(MOST_PROGRESS_WORDS * WIDEST_CHARACTER)]


@dataclass(frozen=True, slots=True)
class Capacity:
    """Whether the worker takes work: why it pauses, None when it takes some."""

    paused: Annotated[str | None, optional(_SENTENCE)]


@dataclass(frozen=True, slots=True)
class About:
    """What a worker says of itself beyond its login, since version 3.

    Attributes:
        sandbox: In what its apps run; empty: it does not know yet.
        gpus: How many GPUs it has for tasks, each for one at a time.
    """

    sandbox: Annotated[str, _WORD]
    gpus: Annotated[int, _SMALL]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which tasks the worker takes, until it says otherwise.

    Attributes:
        longest: The longest computing time that a task's category may allow; None: any.
        least_reward: What one task must bring its worker at least (nRLC).
        hosts: Which hosts apps can reach here, where their orders ask for them.
    """

    longest: Annotated[Seconds | None, optional(_COUNT)]
    least_reward: Annotated[NanoRlc, _COUNT]
    hosts: Annotated[tuple[NetworkHost, ...], sequence(NETWORK_HOST_FIELD, MOST_ALLOWED_HOSTS)] = ()


@dataclass(frozen=True, slots=True)
class Declined:
    """The worker does not take an offer because its operator so chooses; its report follows."""

    task_id: Annotated[TaskId, _TASK]


@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends, and the session with it."""

    code: Annotated[str, _WORD]
    message: Annotated[str, _SENTENCE]


WorkerBound: TypeAlias = (
    OfferTask
    | OfferConfidentialTask
    | TaskActivated
    | AskReveal
    | AskUpload
    | Completed
    | Aborted
    | AcknowledgeReports
    | Idle
    | OwnerMessage
    | FollowTask
    | AskTeeProof
    | TeeProofJudged
)
"""Scheduler to worker, after the handshake."""
SchedulerBound: TypeAlias = (
    ReportBatch
    | Logs
    | TaskOutput
    | WorkProgress
    | Capacity
    | About
    | Conditions
    | Declined
    | TeeProof
)
"""Worker to scheduler, after the handshake."""
Handshaking: TypeAlias = Hello | Login | Welcome | Reject
SessionMessage: TypeAlias = WorkerBound | SchedulerBound | Handshaking | Close
