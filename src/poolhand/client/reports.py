"""What a client tells of a deal: its cost, what proves its results, what cancelling came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId, ResultDigest, ResultHash, TaskId, TxHash
from poolhand.domain.onchain import ChainTaskStatus, HubEvent, Receipt
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds, Wei, show_moment, show_rlc
from poolhand.requester.claims import Claimed
from poolhand.requester.history import TaskHistory
from poolhand.requester.watching import Progress


@dataclass(frozen=True, slots=True)
class DealCost:
    """What a deal costs its payer.

    Attributes:
        price: Of one task, app, data and computation together (nRLC).
        tasks: How many.
        refunded: Of tasks that ended without a result (nRLC).
        gas: That this wallet paid for the match (wei); None where it is not known, or another paid.
    """

    price: NanoRlc
    tasks: int
    refunded: NanoRlc
    gas: Wei | None

    @property
    def total(self) -> NanoRlc:
        """Of all tasks, without what was refunded (nRLC)."""
        return NanoRlc(self.price * self.tasks - self.refunded)

    def __str__(self) -> str:
        back = f", {show_rlc(self.refunded)} RLC refunded" if self.refunded else ""
        return (
            f"{show_rlc(self.total)} RLC for {self.tasks} task(s) at {show_rlc(self.price)}{back}"
        )


def cost_of(deal: Deal, progress: Progress, receipt: Receipt | None) -> DealCost:
    """Return what a deal costs by how its tasks stand."""
    failed = sum(each.view.status is ChainTaskStatus.FAILED for each in progress.tasks)
    gas = None if receipt is None else Wei(receipt.gas_used * receipt.gas_price)
    return DealCost(deal.price, deal.bot_size, NanoRlc(deal.price * failed), gas)


@dataclass(frozen=True, slots=True)
class TaskProof:
    """What the chain has of a task: anybody can check it.

    Attributes:
        task_id, deal_id: Which.
        trust: That was asked for.
        digest: Of the result; zero before there is one.
        consensus: On which the workers agreed; zero before.
        workers: Who contributed.
        events: Of the hub, in order; each has its transaction.
        is_whole: Whether the chain was searched back to the task's beginning.
    """

    task_id: TaskId
    deal_id: DealId
    trust: Trust
    digest: ResultDigest
    consensus: ResultHash
    workers: tuple[Address, ...]
    events: tuple[HubEvent, ...]
    is_whole: bool

    @property
    def transactions(self) -> tuple[TxHash, ...]:
        """Transactions that made it, each once, in order."""
        return tuple(dict.fromkeys(each.tx_hash for each in self.events))


def proof_of(deal: Deal, found: TaskHistory) -> TaskProof:
    """Return what the chain has of a task of a deal."""
    view = found.task.view
    return TaskProof(
        view.task_id,
        deal.deal_id,
        deal.trust,
        view.digest,
        view.consensus,
        view.contributors,
        found.events,
        found.is_whole,
    )


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What could still be saved of a deal, which PoCo lets nobody take back.

    Attributes:
        claimed: Tasks past their final deadline, whose price came back.
        goes_on: Tasks that may still be computed, and are paid then; their price comes back at the
            moment beside them (Unix seconds) where they are not.
    """

    claimed: Claimed
    goes_on: Mapping[TaskId, UnixSeconds | None]

    def __str__(self) -> str:
        told = f"{len(self.claimed.tasks)} task(s) claimed back"
        last = max((each for each in self.goes_on.values() if each is not None), default=None)
        if self.goes_on:
            when = "" if last is None else f", or comes back at {show_moment(last)}"
            told += (
                f"; {len(self.goes_on)} go on, for a deal is for good: their price is paid{when}"
            )
        return told
