"""What the scheduler knows of a task: its facts, its attempts, and what was heard of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from poolhand.domain.category import CONTRIBUTION_RATIO, FINAL_RATIO
from poolhand.domain.ids import Address, DealId, ResultDigest, TaskId, TxHash
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, TaskView
from poolhand.domain.replicate.events import Entry, Flow
from poolhand.domain.replicate.status import FINAL, Status
from poolhand.domain.tag import Tag
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, Gas, Seconds, UnixSeconds, Wei

_PERIODS_BETWEEN: Final = FINAL_RATIO - CONTRIBUTION_RATIO


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What matching fixed; never changes. Deadlines are block times."""

    task_id: TaskId
    deal_id: DealId
    index: int
    trust: Trust
    flow: Flow
    tag: Tag
    contribution_deadline: UnixSeconds
    final_deadline: UnixSeconds
    noticed_in: BlockNumber | None = None
    """Block of the deal's notice, unless a re-organisation moved it; None in old journals."""

    @property
    def period(self) -> Seconds:
        """The category's time: the deadlines are 7 and 10 of it after the purchase."""
        return Seconds((self.final_deadline - self.contribution_deadline) // _PERIODS_BETWEEN)


@dataclass(frozen=True, slots=True)
class Stored:
    """A result that the results service keeps."""

    worker: Address
    link: str
    digest: ResultDigest
    callback_data: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One worker's replicate, as reported and as overruled.

    ``log`` begins with CREATED, at our time; later entries have the worker's clock, which decides
    nothing: ``heard_at`` is our time of the newest, and before there is one that of the offer.
    ``reports`` counts the worker's own entries stored so far, ``told`` are their places in ``log``;
    ``live`` tells whether its lease holds, or held when it ended, ``proved`` whether the worker was
    known to settle tasks when it was given this one; ``taken_up_at`` is our time of its first word,
    None before.
    """

    worker: Address
    weight: Weight
    log: tuple[Entry, ...]
    reports: int = 0
    live: bool = True
    heard_at: UnixSeconds = UnixSeconds(0)
    told: frozenset[int] = frozenset()
    proved: bool = True
    taken_up_at: UnixSeconds | None = None

    @property
    def status(self) -> Status:
        """The newest status, whoever set it."""
        return self.log[-1].status

    @property
    def is_over(self) -> bool:
        """Whether nothing follows."""
        return self.status in FINAL

    def count(self, *statuses: Status) -> int:
        """Count entries with one of these statuses."""
        return sum(entry.status in statuses for entry in self.log)

    def enter(self, entry: Entry) -> Attempt:
        """Return the attempt with one more entry of ours."""
        return replace(self, log=(*self.log, entry))

    def hear(self, entry: Entry) -> Attempt:
        """Return the attempt with one more entry of the worker's."""
        return replace(self, log=(*self.log, entry), told=self.told | {len(self.log)})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A transaction of ours that the contract refused: how often, and when to try again."""

    kind: str
    times: int
    not_before: UnixSeconds
    cause: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that put a task on chain, ended or reopened it.

    ``block`` is None while no block of the chain has it; what it cost (``gas_price`` in wei) is
    known of the pool's own.
    """

    kind: str
    tx: TxHash
    block: BlockNumber | None
    gas: Gas | None = None
    gas_price: Wei | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """State of the scheduler's machine.

    ``now`` is the newest block time heard of; ``view`` None until the chain was looked at;
    ``gone_since`` the block time at which the chain was seen without the deal, None as long as it
    has it; ``claim`` a result that a worker says to have stored, while that is being checked;
    ``enclave`` the address of a confidential task's challenge, None until it is told.
    """

    facts: TaskFacts
    now: UnixSeconds
    view: TaskView | None = None
    attempts: tuple[Attempt, ...] = ()
    stored: Stored | None = None
    refusals: tuple[Refusal, ...] = ()
    transactions: tuple[Transaction, ...] = ()
    history: tuple[tuple[TaskStatus, UnixSeconds], ...] = ()
    gone_since: UnixSeconds | None = None
    claim: Stored | None = None
    enclave: Address | None = None

    @property
    def status(self) -> TaskStatus:
        """The newest status."""
        return self.history[-1][0] if self.history else TaskStatus.RECEIVED

    @property
    def chain_status(self) -> ChainTaskStatus:
        """The hub's status, UNSET while unknown."""
        return self.view.status if self.view else ChainTaskStatus.UNSET

    @property
    def flow(self) -> Flow:
        """How the task is settled: at once only while nobody has contributed without finalizing.

        One contribution that is never revealed would else spoil the task for good, for the hub
        takes ``contributeAndFinalize`` of the first contributor alone, reopened or not.
        Source: PoCo 6.x, IexecPoco2Facet.contributeAndFinalize.
        """
        over = self.chain_status in (ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED)
        spoilt = self.view is not None and self.view.contributors and not over
        return Flow.STANDARD if spoilt else self.facts.flow

    def attempt(self, worker: Address) -> Attempt | None:
        """Return a worker's attempt."""
        return next((each for each in self.attempts if each.worker == worker), None)

    def with_attempt(self, changed: Attempt) -> Task:
        """Replace one attempt, or add it."""
        if self.attempt(changed.worker) is None:
            return replace(self, attempts=(*self.attempts, changed))
        same = (changed if a.worker == changed.worker else a for a in self.attempts)
        return replace(self, attempts=tuple(same))

    def contribution(self, worker: Address) -> ContributionStatus:
        """Return what the chain says of a worker's contribution."""
        known = self.view.contributions.get(worker) if self.view else None
        return known.status if known else ContributionStatus.UNSET

    def agrees(self, worker: Address) -> bool:
        """Whether a worker contributed the consensus of the chain."""
        known = self.view.contributions.get(worker) if self.view else None
        return bool(
            known
            and self.view
            and known.status is not ContributionStatus.UNSET
            and known.result_hash == self.view.consensus
        )

    def refusal(self, kind: str) -> Refusal | None:
        """Return what is known of refused calls of a kind."""
        return next((each for each in self.refusals if each.kind == kind), None)
