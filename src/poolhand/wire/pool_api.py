"""The workerpool's public HTTP API, described once: the pool answers by it, clients read by it.

Moments are Unix seconds, prices and stakes nRLC, gas prices wei per unit of gas. Null is what is
not known or does not apply. Members are added, never renamed. A member with a default is one that
an older pool does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, RootModel

from poolhand.domain.replicate.status import Status
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, Seconds, UnixSeconds, Wei
from poolhand.wire.json_models import (
    JsonAddress,
    JsonDealId,
    JsonDigest,
    JsonResultHash,
    JsonTaskId,
    JsonTxHash,
    Sentence,
    Told,
    Words,
)
from poolhand.wire.pool_enclaves import ConfidentialTold, EnclavesTold, TeeProofTold
from poolhand.wire.purchase_api import SendingTerms


class PoolConfig(Told):
    """``GET /v1/config``: which pool answers, on which chain, and where its results are.

    ``prices`` are per task by category; ``highest_trust`` is 0 where none is known;
    ``by_signature`` is null where purchases that are only signed are not sent. ``by_invitation``:
    only workers whom the owner has named are let in. ``simulated_tee``: enclaves that keep nothing
    secret are taken for confidential tasks.
    """

    version: Sentence = "unknown"
    chain_id: int
    hub: JsonAddress
    workerpool: JsonAddress
    owner: JsonAddress
    url: Words = ""
    results_url: Words
    sms_url: Words = ""
    prices: Mapping[int, NanoRlc] = Field(default_factory=dict)
    highest_trust: int = 0
    by_signature: SendingTerms | None = None
    by_invitation: bool = False
    simulated_tee: bool = False


class GasStanding(Told):
    """The pool wallet's coin for gas (wei); ``message`` says who must act where it is short.

    ``spent`` is what its transactions took since the pool's program was started.
    """

    short: bool = False
    balance: Wei | None = None
    missing: Wei = Wei(0)
    spent: Wei = Wei(0)
    message: Sentence | None = None


class DepositStanding(Told):
    """The pool owner's stake; ``least`` is what one task of the cheapest category locks."""

    free: NanoRlc | None = None
    locked: NanoRlc | None = None
    least: NanoRlc = NanoRlc(0)
    message: Sentence | None = None


class PoolHealth(Told):
    """``GET /health``: ``ok`` is false while the chain cannot be read; ``chain`` says why.

    ``idle`` counts the workers by why they are given nothing more, the commonest first.
    """

    ok: bool = True
    role: Literal["leader", "standby"] = "leader"
    leader: Sentence | None = None
    chain: Sentence | None = None
    block: BlockNumber | None = None
    block_time: UnixSeconds | None = None
    workers: int
    idle: Mapping[Words, int] = Field(default_factory=dict)
    open_tasks: int | None = None
    gas: GasStanding = GasStanding()
    deposit: DepositStanding = DepositStanding()
    sells: bool | None = None
    sells_nothing_because: Sentence | None = None


class PoolSummary(Told):
    """``GET /v1/summary``: how the pool does, in a few figures; null where that is not known.

    ``busy`` of ``slots`` are the load; ``success_rate`` is of all tasks that have settled, 0 to 1;
    ``median_seconds`` from the notice of a deal to the end, of the tasks completed last. Of a
    task's price the pool keeps ``scheduler_percent``, and a worker locks ``worker_stake_percent``.
    ``latest_earned`` is what the ``latest_tasks`` completed last brought their workers together, at
    least: stakes that others lost come on top. ``gas_price`` is what the pool would offer now.
    ``enclaves``: frameworks of confidential tasks, by how many connected workers proved them.
    """

    slots: int | None = None
    busy: int | None = None
    completed: int | None = None
    failed: int | None = None
    success_rate: float | None = None
    median_seconds: int | None = None
    scheduler_percent: int | None = None
    worker_stake_percent: int | None = None
    latest_tasks: int | None = None
    latest_earned: NanoRlc | None = None
    gas_price: Wei | None = None
    enclaves: tuple[EnclavesTold, ...] = ()


class PoolReady(Told):
    """``GET /ready``: this process leads its pool."""

    leads: bool


class SoldOrder(Told):
    """``GET /v1/order``: a signed workerpool order in the iExec SDK's own form."""

    workerpool: str
    workerpoolprice: str
    volume: str
    tag: str
    category: str
    trust: str
    apprestrict: str
    datasetrestrict: str
    requesterrestrict: str
    salt: str
    sign: str


class PoolWorker(Told):
    """``GET /v1/workers``, each: a connected worker; ``reason`` is its own for a pause.

    ``tee``: frameworks of confidential tasks that it has proved to work; ``tee_simulated``: by a
    simulated root, so that nothing is kept secret there; ``tee_proofs`` says more of each.
    """

    worker: JsonAddress
    name: Words = ""
    version: Words = ""
    cpus: int = 0
    slots: int = 0
    replicates: int = 0
    score: int | None = None
    stake: NanoRlc | None = None
    paused: bool
    reason: Words | None = None
    tee: tuple[Words, ...] = ()
    tee_simulated: bool = False
    tee_proofs: tuple[TeeProofTold, ...] = ()

    @property
    def tee_told(self) -> str:
        """The frameworks for a person; empty where there are none."""
        return ", ".join(self.tee) + " (simulated)" * (self.tee_simulated and bool(self.tee))


class PassedOver(Told):
    """Why a worker is not given so many of the open tasks, and what would change that."""

    reason: Words
    tasks: int
    remedy: Sentence


class WorkerNews(PoolWorker):
    """``GET /v1/workers/{address}``: a connected worker, and why it is given nothing more.

    ``stake_missing`` is what it would have to deposit so that its stake holds it back no longer.
    """

    idle: tuple[PassedOver, ...]
    stake_missing: NanoRlc


class ConnectedWorkers(RootModel[tuple[PoolWorker, ...]]):
    """``GET /v1/workers``: a page of them, in order of their addresses."""


class StatusMeaning(Told):
    """``GET /v1/statuses``, each: what a replicate status means and what may follow it."""

    status: Status
    meaning: str
    cause: str
    by: str
    acts: str
    next_step: str
    next: tuple[Status, ...]


class Moment(Told):
    """A line of a replicate's history; ``tx`` (in ``block``) where a transaction made it.

    ``seconds`` is the time until the next line; ``clock`` tells whose time ``at`` is.
    """

    status: Words
    at: UnixSeconds
    clock: Literal["worker", "chain"] = "worker"
    seconds: Seconds | None = None
    detail: Words | None = None
    tx: JsonTxHash | None = None
    block: BlockNumber | None = None

    @property
    def by_chain(self) -> bool:
        """Whether ``at`` is the chain's time; else it is by the worker's clock."""
        return self.clock == "chain"


class TaskMoment(Told):
    """A line of a task's own history."""

    status: Words
    at: UnixSeconds


class ChainMoment(Told):
    """An event of the hub, as the pool tells it.

    ``worker`` and ``result_hash`` are those of the consensus, where there was one.
    """

    event: Words
    tx: JsonTxHash
    block: BlockNumber
    worker: JsonAddress | None = None
    result_hash: JsonResultHash | None = None


class ReplicateNews(Told):
    """One worker's attempt, as the pool knows it.

    ``live`` tells whether its lease holds, or held when it ended, ``won_by`` the event that decided
    how it ended, ``dropped`` whether it ended because the chain no longer has the deal.
    """

    worker: JsonAddress
    status: Status
    meaning: Words = ""
    acts: Words = ""
    next_step: Words = ""
    weight: int | None = None
    live: bool
    won_by: ChainMoment | None = None
    dropped: bool = False
    history: tuple[Moment, ...]


class PoolTransaction(Told):
    """A transaction of the pool's (``gas_price`` in wei per gas).

    ``block`` is null while no block has it, the others where the pool does not know them.
    """

    call: Words
    tx: JsonTxHash
    block: BlockNumber | None
    gas: Gas | None
    gas_price: Wei | None


class RefusedCall(Told):
    """A transaction of the pool's that the chain refused, and how often."""

    call: Words
    times: int
    cause: Words


class TaskNews(Told):
    """``GET /v1/tasks/{id}``: a task as its pool knows it, and in ``/v1/tasks`` without ``chain``.

    ``obstacle`` is why no worker that is there can go on with it, null where one can; ``trouble``
    is what the work on it raised and nobody expected; ``confidential`` is null for a usual task;
    ``causes``: why workers did not do it, who must act and how, a line each.
    """

    task_id: JsonTaskId
    deal_id: JsonDealId
    index: int
    trust: int = 1
    flow: Words
    status: TaskStatus
    meaning: Words
    chain_status: Words = ""
    contribution_deadline: UnixSeconds | None = None
    reveal_deadline: UnixSeconds = UnixSeconds(0)
    final_deadline: UnixSeconds | None = None
    consensus: JsonResultHash | None = None
    digest: JsonDigest | None = None
    result_link: Words | None = None
    history: tuple[TaskMoment, ...]
    replicates: tuple[ReplicateNews, ...]
    chain: tuple[ChainMoment, ...] | None = None
    transactions: tuple[PoolTransaction, ...]
    refusals: tuple[RefusedCall, ...] = ()
    obstacle: Sentence | None = None
    trouble: Sentence | None = None
    confidential: ConfidentialTold | None = None
    causes: tuple[Sentence, ...] = ()

    @property
    def first_block(self) -> BlockNumber | None:
        """The block of its first event on chain, where the pool tells events."""
        return min((each.block for each in self.chain or ()), default=None)


class HiddenTask(Told):
    """A task in a list that cannot be shown, and why; it is worked on all the same."""

    task_id: JsonTaskId
    trouble: Sentence


class DealTask(Told):
    """A task of a deal and how it stands."""

    task_id: JsonTaskId
    index: int
    status: TaskStatus


class DealNews(Told):
    """``GET /v1/deals/{id}``: a deal of the pool and where its tasks stand, a page of them.

    It has ``size`` tasks; the index of the first is ``first_index``.
    """

    deal_id: JsonDealId
    app: JsonAddress
    dataset: JsonAddress | None
    requester: JsonAddress
    trust: int
    category: int
    tag: tuple[str, ...]
    price: NanoRlc
    worker_stake: NanoRlc
    first_index: int
    size: int
    tasks: tuple[DealTask, ...]
