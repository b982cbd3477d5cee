"""What can happen to a replicate, and what can be asked for: the machine's words.

Events are what happened, effects are what to do about it; stages are what lies between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, ResultDigest, TaskId, TxHash
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import BlockNumber, UnixSeconds


class Flow(StrEnum):
    """How a task is settled on chain."""

    STANDARD = "standard"
    CONTRIBUTE_AND_FINALIZE = "contribute-and-finalize"


class Action(StrEnum):
    """One stage of the worker's work."""

    DOWNLOAD_APP = "download-app"
    DOWNLOAD_DATA = "download-data"
    COMPUTE = "compute"
    CHECK = "check"
    CONTRIBUTE = "contribute"
    REVEAL = "reveal"
    UPLOAD = "upload"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class Step:
    """What a stage reports: while it runs (None: nothing), and how it may end."""

    ongoing: Status | None
    outcomes: frozenset[Status]


S = Status
_CANT_CONTRIBUTE: Final = frozenset(
    {
        S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW,
        S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
        S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE,
        S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET,
    }
)
STEP_OF_ACTION: Final[Mapping[Action, Step]] = {
    Action.DOWNLOAD_APP: Step(
        S.APP_DOWNLOADING, frozenset({S.APP_DOWNLOADED, S.APP_DOWNLOAD_FAILED, S.FAILED})
    ),
    Action.DOWNLOAD_DATA: Step(
        S.DATA_DOWNLOADING, frozenset({S.DATA_DOWNLOADED, S.DATA_DOWNLOAD_FAILED, S.FAILED})
    ),
    Action.COMPUTE: Step(S.COMPUTING, frozenset({S.COMPUTED, S.COMPUTE_FAILED, S.FAILED})),
    Action.CHECK: Step(None, frozenset({S.CAN_CONTRIBUTE}) | _CANT_CONTRIBUTE),
    Action.CONTRIBUTE: Step(
        S.CONTRIBUTING,
        frozenset({S.CONTRIBUTED, S.CONTRIBUTE_FAILED, S.OUT_OF_GAS}) | _CANT_CONTRIBUTE,
    ),
    Action.REVEAL: Step(
        S.REVEALING, frozenset({S.REVEALED, S.REVEAL_FAILED, S.CANT_REVEAL, S.OUT_OF_GAS})
    ),
    Action.UPLOAD: Step(S.RESULT_UPLOADING, frozenset({S.RESULT_UPLOADED, S.RESULT_UPLOAD_FAILED})),
    Action.CLAIM: Step(None, frozenset({S.FAILED})),
}

STATUS_OF_FAULT: Final[Mapping[Action, Status | None]] = {
    Action.DOWNLOAD_APP: S.APP_DOWNLOAD_FAILED,
    Action.DOWNLOAD_DATA: S.DATA_DOWNLOAD_FAILED,
    Action.COMPUTE: S.COMPUTE_FAILED,
    Action.CHECK: S.FAILED,
    Action.CONTRIBUTE: S.CONTRIBUTE_FAILED,
    Action.REVEAL: S.REVEAL_FAILED,
    Action.UPLOAD: S.RESULT_UPLOAD_FAILED,
    Action.CLAIM: None,
}
"""How a stage ends that raised what nobody expected; a claim is just tried again later."""
FOR_THE_STAKE: Final = frozenset({Action.REVEAL, Action.CLAIM})
"""Stages that save stake which is on chain: whatever happens they are tried again."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A task as the scheduler offers it: names and the pool owner's authorization, no more.

    Everything else (prices, app, deadlines) the worker reads from the chain itself. Of a
    confidential task it also names the address of the enclave's key, and where its secrets are.
    """

    task_id: TaskId
    deal_id: DealId
    index: int
    flow: Flow
    authorization: bytes
    enclave: Address = ZERO_ADDRESS
    secrets_url: str = ""


# ------------------------------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True)
class Accepted:
    """The worker took the offer; ``deadline`` to contribute, read from deal and category."""

    at: UnixSeconds
    offer: Offer
    deadline: UnixSeconds = UnixSeconds(0)


@dataclass(frozen=True, slots=True)
class Activated:
    """The task is initialized on chain."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Finished:
    """A stage ended; ``outcome`` is one of its step's outcomes, the rest is what it found out.

    ``block`` is where the chain shows what the stage has put there; ``enclave_sign`` is what an
    enclave signed of the digest.
    """

    at: UnixSeconds
    action: Action
    outcome: Status
    detail: str | None = None
    tx: TxHash | None = None
    digest: ResultDigest | None = None
    callback_data: bytes | None = None
    link: str | None = None
    block: BlockNumber | None = None
    enclave_sign: bytes | None = None


@dataclass(frozen=True, slots=True)
class Faulted:
    """A stage raised what it could not name as an outcome: what it has done is not known."""

    at: UnixSeconds
    action: Action
    detail: str


@dataclass(frozen=True, slots=True)
class RevealAsked:
    """The consensus on chain is this worker's result; told again after a refused reveal."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A contribution or reveal that was mined is not on chain any more, as seen at ``block``."""

    at: UnixSeconds
    action: Action
    block: BlockNumber


@dataclass(frozen=True, slots=True)
class ClaimDue:
    """The task is past its final deadline, holds this worker's stake, and nobody claims it."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class UploadAsked:
    """The scheduler wants the result; ``ready`` tells whether it is still on disk."""

    at: UnixSeconds
    ready: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The task is over for this worker: COMPLETED, or aborted, timed out or failed.

    ``block`` is where the chain said so, None when the pool did.
    """

    at: UnixSeconds
    status: Status
    detail: str | None = None
    block: BlockNumber | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The scheduler has stored the first ``count`` reports of this replicate."""

    at: UnixSeconds
    count: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """The worker program was started again; ``sudden``: nobody had told it to end."""

    at: UnixSeconds
    sudden: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """A stage under which the program ended suddenly is begun once more, without its like."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Outlived:
    """The program has outlived the beginning of a stage under which it had ended suddenly."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The replicate brings its program down, or its journal does not read: only its stake counts.

    Source: ``domain.replicate.blame``.
    """

    at: UnixSeconds
    detail: str


@dataclass(frozen=True, slots=True)
class Refilled:
    """The wallet can pay again."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Settled:
    """The end is too deep in the chain for a re-organisation, and no stake is left in the task."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Container and files of the ended replicate are gone."""

    at: UnixSeconds


LiveEvent: TypeAlias = (
    Activated
    | Finished
    | RevealAsked
    | UploadAsked
    | TakenBack
    | ClaimDue
    | Ended
    | Recovered
    | Refilled
)
TroubleEvent: TypeAlias = Faulted | Quarantined | Tried | Outlived
ReplicateEvent: TypeAlias = Accepted | LiveEvent | TroubleEvent | Acknowledged | Cleaned | Settled

# ----------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a replicate's history. ``tx`` and ``detail`` where there are any."""

    status: Status
    at: UnixSeconds
    detail: str | None = None
    tx: TxHash | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the scheduler entry number ``index`` of the history."""

    index: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Run:
    """Carry out a stage; its outcome comes back as ``Finished``."""

    action: Action


@dataclass(frozen=True, slots=True)
class Clean:
    """Stop what runs, remove container and files; comes back as ``Cleaned``."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the replicate and its journal: all is told, and nothing asks for it again."""


ReplicateEffect: TypeAlias = Report | Run | Clean | Forget
