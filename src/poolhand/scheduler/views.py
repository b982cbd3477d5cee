"""What the public API says of tasks, replicates and workers, in the models of ``wire.pool_api``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from poolhand.domain.deal import Deal
from poolhand.domain.onchain import HubEvent
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.machine import Entry
from poolhand.domain.replicate.status import STATUSES, Row, Status
from poolhand.domain.task.idle import REMEDIES, IdleReason, stake_missing
from poolhand.domain.task.model import Attempt, Task, Transaction
from poolhand.domain.task.rules import is_dropped, is_gone
from poolhand.domain.task.status import DEAL_IS_GONE, MEANINGS
from poolhand.domain.task.story import CLAIMED, DROPPED, Decision, block_of, decision, durations
from poolhand.domain.tee.framework import NoOneFramework, framework_of
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.archive import TaskLine
from poolhand.wire.pool_api import (
    ChainMoment,
    DealNews,
    DealTask,
    Moment,
    PassedOver,
    PoolTransaction,
    PoolWorker,
    RefusedCall,
    ReplicateNews,
    TaskMoment,
    TaskNews,
    WorkerNews,
)
from poolhand.wire.pool_causes import causes_of
from poolhand.wire.pool_enclaves import ConfidentialTold, TeeProofTold


def show_entry(
    entry: Entry, seconds: Seconds | None, events: Iterable[HubEvent], *, told: bool
) -> Moment:
    """Show one line of a replicate's history.

    Args:
        entry: The line.
        seconds: Until the next one, where that is known.
        events: Of the task; they tell the block of a transaction.
        told: Whether ``at`` is by the worker's clock; ours is the chain's.
    """
    return Moment(
        status=entry.status,
        at=entry.at,
        clock="worker" if told else "chain",
        seconds=seconds,
        detail=entry.detail,
        tx=entry.tx,
        block=block_of(entry.tx, events) if entry.tx else None,
    )


def show_history(
    attempt: Attempt, decided: Decision | None, events: Sequence[HubEvent]
) -> tuple[Moment, ...]:
    """Show a replicate's history; the last line has the transaction that decided it."""
    lines = [
        show_entry(entry, seconds, events, told=place in attempt.told)
        for place, (entry, seconds) in enumerate(zip(attempt.log, durations(attempt), strict=True))
    ]
    if decided is not None and lines[-1].tx is None:
        known = {"tx": decided.event.tx_hash, "block": decided.event.block}
        lines[-1] = lines[-1].model_copy(update=known)
    return tuple(lines)


def show_decision(decided: Decision | None) -> ChainMoment | None:
    """Show the event that decided how a replicate ended."""
    if decided is None:
        return None
    whose = {"worker": decided.worker, "result_hash": decided.result_hash}
    return show_event(decided.event).model_copy(update=whose)


def show_event(event: HubEvent) -> ChainMoment:
    """Show one event of the hub."""
    return ChainMoment(
        event=event.kind,
        tx=event.tx_hash,
        block=event.block,
        worker=event.worker,
        result_hash=event.result_hash,
    )


def show_attempt(task: Task, attempt: Attempt, events: Sequence[HubEvent] = ()) -> ReplicateNews:
    """Show a replicate with its history, what its status means and what decided it."""
    decided = decision(task, attempt, events)
    row = _row(task, attempt, decided)
    return ReplicateNews(
        worker=attempt.worker,
        status=attempt.status,
        meaning=row.meaning,
        acts=row.acts,
        next_step=row.next_step,
        weight=attempt.weight,
        live=attempt.live,
        won_by=show_decision(decided),
        dropped=row is DROPPED,
        history=show_history(attempt, decided, events),
    )


def _row(task: Task, attempt: Attempt, decided: Decision | None) -> Row:
    """Return what a replicate's status means, of FAILED the cause that it has here."""
    if attempt.status is not Status.FAILED:
        return STATUSES[attempt.status]
    if decided is not None:
        return CLAIMED
    return DROPPED if is_dropped(task) else STATUSES[attempt.status]


def show_task(
    task: Task,
    events: Sequence[HubEvent] | None = None,
    *,
    obstacle: str | None = None,
    trouble: str | None = None,
    simulated: bool = False,
) -> TaskNews:
    """Show a task with its replicates, the pool's transactions and its events on chain.

    Args:
        task: The task.
        events: On chain; None where they are not at hand: then no block is told.
        obstacle: Why no worker that is there can go on with it.
        trouble: What the work on it raised and nobody expected.
        simulated: Whether enclaves are taken here that keep nothing secret.
    """
    facts, view, known = task.facts, task.view, events or ()
    replicates = tuple(show_attempt(task, attempt, known) for attempt in task.attempts)
    return TaskNews(
        task_id=facts.task_id,
        deal_id=facts.deal_id,
        index=facts.index,
        trust=facts.trust,
        flow=task.flow,
        status=task.status,
        meaning=DEAL_IS_GONE if is_gone(task) else MEANINGS[task.status],
        chain_status=task.chain_status.name,
        contribution_deadline=facts.contribution_deadline,
        reveal_deadline=view.reveal_deadline if view else UnixSeconds(0),
        final_deadline=facts.final_deadline,
        consensus=view.consensus if view and any(view.consensus) else None,
        digest=view.digest if view and any(view.digest) else None,
        result_link=link_of(task),
        history=tuple(TaskMoment(status=status, at=at) for status, at in task.history),
        replicates=replicates,
        chain=None if events is None else tuple(map(show_event, events)),
        transactions=tuple(map(show_transaction, task.transactions)),
        refusals=tuple(
            RefusedCall(call=each.kind, times=each.times, cause=each.cause)
            for each in task.refusals
        ),
        obstacle=obstacle,
        trouble=trouble,
        confidential=show_confidential(task, simulated=simulated),
        causes=tuple(each.advice for each in causes_of(replicates)),
    )


def show_confidential(task: Task, *, simulated: bool) -> ConfidentialTold | None:
    """Show in which framework a task is computed, for which enclave; None: it is a usual one."""
    try:
        framework = framework_of(task.facts.tag)
    except NoOneFramework:  # nobody sells such a task
        return None
    if framework is None:
        return None
    return ConfidentialTold(framework=framework, enclave=task.enclave, simulated=simulated)


def link_of(task: Task) -> str | None:
    """Return a result's link, from the chain or else from the results service."""
    if task.view is not None and task.view.results:
        return task.view.results.decode(errors="replace")
    return task.stored.link if task.stored else None


def show_transaction(transaction: Transaction) -> PoolTransaction:
    """Show a transaction: gas in units, price in wei; None for what is not known."""
    return PoolTransaction(
        call=transaction.kind,
        tx=transaction.tx,
        block=transaction.block,
        gas=transaction.gas,
        gas_price=transaction.gas_price,
    )


def show_deal(deal: Deal, tasks: Iterable[TaskLine]) -> DealNews:
    """Show a deal and where some of its tasks stand (prices in nRLC)."""
    return DealNews(
        deal_id=deal.deal_id,
        app=deal.app.address,
        dataset=deal.dataset.address if deal.has_dataset else None,
        requester=deal.requester,
        trust=deal.trust,
        category=deal.category,
        tag=tuple(deal.tag.names),
        price=deal.price,
        worker_stake=deal.worker_stake,
        first_index=deal.bot_first,
        size=deal.bot_size,
        tasks=tuple(
            DealTask(task_id=each.task_id, index=each.index, status=each.status) for each in tasks
        ),
    )


def show_worker(connected: ConnectedWorker, replicates: int) -> PoolWorker:
    """Show a connected worker (stake in nRLC)."""
    return PoolWorker(
        worker=connected.worker,
        name=connected.name,
        version=connected.version,
        cpus=connected.cpus,
        slots=connected.slots,
        replicates=replicates,
        score=connected.score,
        stake=connected.stake,
        paused=connected.paused,
        reason=connected.reason,
        tee=connected.tee,
        tee_simulated=connected.tee_simulated,
        tee_proofs=tuple(
            TeeProofTold(
                framework=each.framework,
                tcb_status=each.tcb_status,
                simulated=each.is_simulated,
                at=each.at,
            )
            for each in connected.tee_proofs
        ),
    )


def show_idle(
    connected: ConnectedWorker, replicates: int, reasons: Mapping[str, int]
) -> WorkerNews:
    """Show a connected worker, and the open tasks that it is not given by reason."""
    return WorkerNews(
        **show_worker(connected, replicates).model_dump(),
        idle=tuple(
            PassedOver(reason=word, tasks=count, remedy=REMEDIES[IdleReason(word)])
            for word, count in reasons.items()
            if word != IdleReason.STAKE_MISSING
        ),
        stake_missing=stake_missing(reasons),
    )
