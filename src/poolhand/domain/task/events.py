"""What a task hears of, and what it may want done: the words of the scheduler's machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from poolhand.domain.ids import Address, ResultHash, TxHash
from poolhand.domain.onchain import TaskView
from poolhand.domain.replicate.events import Entry
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.model import Stored, TaskFacts, Transaction
from poolhand.domain.trust import Weight
from poolhand.domain.units import UnixSeconds

# ------------------------------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True)
class Received:
    """A deal of ours holds this task."""

    at: UnixSeconds
    facts: TaskFacts


@dataclass(frozen=True, slots=True)
class Assigned:
    """A worker gets a replicate; ``weight`` is from its score on chain.

    ``proved`` as in ``Attempt``; old journals do not tell it and count everybody as proved.
    ``offered_at`` is when the offer leaves: ``at`` is the time of the newest block, and some
    seconds may have passed since. Old journals do not tell it.
    """

    at: UnixSeconds
    worker: Address
    weight: Weight
    proved: bool = True
    offered_at: UnixSeconds = UnixSeconds(0)


@dataclass(frozen=True, slots=True)
class Reported:
    """A worker tells entries of its history, the first of which has number ``first``.

    ``claim`` is what it says to have stored, where RESULT_UPLOADED is among them.
    """

    at: UnixSeconds
    worker: Address
    first: int
    entries: tuple[Entry, ...]
    claim: Stored | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What a worker claimed to have stored is there."""

    at: UnixSeconds
    stored: Stored


@dataclass(frozen=True, slots=True)
class Doubted:
    """What a worker claimed to have stored is not what it should be: somebody is asked again."""

    at: UnixSeconds
    worker: Address


@dataclass(frozen=True, slots=True)
class Viewed:
    """The chain as it stood at a block; replaces what was known before."""

    at: UnixSeconds
    view: TaskView


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker's lease ran out."""

    at: UnixSeconds
    worker: Address


@dataclass(frozen=True, slots=True)
class Found:
    """A worker is back."""

    at: UnixSeconds
    worker: Address


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """A worker broke the protocol: its attempt is over."""

    at: UnixSeconds
    worker: Address
    cause: str


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A transaction of ours (``initialize``, ``finalize``, ``reopen``, ``claim``) was refused."""

    at: UnixSeconds
    kind: str
    cause: str


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction on this task is in a block: the pool's own, or somebody's who did its work."""

    at: UnixSeconds
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Unmined:
    """A re-organised chain took a transaction back."""

    at: UnixSeconds
    tx: TxHash


@dataclass(frozen=True, slots=True)
class DealGone:
    """The chain no longer has the task's deal: a re-organisation dropped the purchase."""

    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class DealBack:
    """The chain has the deal after all; bought in another block, it has other deadlines."""

    at: UnixSeconds
    facts: TaskFacts


@dataclass(frozen=True, slots=True)
class Challenged:
    """The secret management service told whose signature the enclave of this task gives."""

    at: UnixSeconds
    enclave: Address


@dataclass(frozen=True, slots=True)
class Ticked:
    """Block time went on."""

    at: UnixSeconds


TaskMachineEvent: TypeAlias = (
    Received
    | Assigned
    | Reported
    | Uploaded
    | Doubted
    | Viewed
    | Lost
    | Found
    | Misbehaved
    | CallRefused
    | Mined
    | Unmined
    | DealGone
    | DealBack
    | Challenged
    | Ticked
)

# ----------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class SendInitialize:
    """Initialize the task on chain. ``tried`` counts refusals before."""

    tried: int


@dataclass(frozen=True, slots=True)
class SendFinalize:
    """Finalize the task on chain with the stored result."""

    stored: Stored
    tried: int


@dataclass(frozen=True, slots=True)
class SendReopen:
    """Reopen the task on chain."""

    tried: int


@dataclass(frozen=True, slots=True)
class SendClaim:
    """Claim the task on chain: everybody is refunded."""

    tried: int


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Look whether a claimed result is stored; comes back as ``Uploaded`` or ``Doubted``."""

    claim: Stored


@dataclass(frozen=True, slots=True)
class AskChallenge:
    """Ask the secret management service for the task's enclave; comes back as ``Challenged``."""


@dataclass(frozen=True, slots=True)
class TellOffer:
    """Offer the task to a worker."""

    worker: Address


@dataclass(frozen=True, slots=True)
class TellActivated:
    """Tell a worker that the task is initialized."""

    worker: Address


@dataclass(frozen=True, slots=True)
class TellReveal:
    """Ask a worker to reveal."""

    worker: Address
    consensus: ResultHash


@dataclass(frozen=True, slots=True)
class TellUpload:
    """Ask a worker for the result. ``tried`` counts its failures before."""

    worker: Address
    tried: int


@dataclass(frozen=True, slots=True)
class TellEnd:
    """Tell a worker how its replicate ended."""

    worker: Address
    status: Status


TaskMachineEffect: TypeAlias = (
    SendInitialize
    | SendFinalize
    | SendReopen
    | SendClaim
    | CheckResult
    | AskChallenge
    | TellOffer
    | TellActivated
    | TellReveal
    | TellUpload
    | TellEnd
)
