"""What the public API says of tasks, replicates and workers: JSON-ready dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from poolhand.domain.deal import Deal
from poolhand.domain.onchain import HubEvent
from poolhand.domain.replicate.machine import Entry
from poolhand.domain.replicate.status import STATUSES, Row, Status
from poolhand.domain.task.model import Attempt, Task, Transaction
from poolhand.domain.task.rules import is_dropped, is_gone
from poolhand.domain.task.status import GONE, MEANINGS
from poolhand.domain.task.story import CLAIMED, DROPPED, Decision, block_of, decision, durations
from poolhand.domain.units import Seconds
from poolhand.scheduler.roster import Seat


def show_entry(
    entry: Entry, seconds: Seconds | None, events: Iterable[HubEvent], *, told: bool
) -> dict[str, Any]:
    """Show one line of a replicate's history.

    Args:
        entry: The line.
        seconds: Until the next one, where that is known.
        events: Of the task; they tell the block of a transaction.
        told: Whether ``at`` is by the worker's clock; ours is the chain's.
    """
    return {
        "status": entry.status,
        "at": entry.at,
        "clock": "worker" if told else "chain",
        "seconds": seconds,
        "detail": entry.detail,
        "tx": str(entry.tx) if entry.tx else None,
        "block": block_of(entry.tx, events) if entry.tx else None,
    }


def show_history(
    attempt: Attempt, decided: Decision | None, events: Sequence[HubEvent]
) -> list[dict[str, Any]]:
    """Show a replicate's history; the last line has the transaction that decided it."""
    lines = [
        show_entry(entry, seconds, events, told=place in attempt.told)
        for place, (entry, seconds) in enumerate(zip(attempt.log, durations(attempt), strict=True))
    ]
    if decided is not None and lines[-1]["tx"] is None:
        lines[-1] |= {"tx": str(decided.event.tx_hash), "block": decided.event.block}
    return lines


def show_decision(decided: Decision | None) -> dict[str, Any] | None:
    """Show the event that decided how a replicate ended."""
    if decided is None:
        return None
    return {
        "event": decided.event.kind,
        "tx": str(decided.event.tx_hash),
        "block": decided.event.block,
        "worker": str(decided.worker) if decided.worker else None,
        "result_hash": str(decided.result_hash) if decided.result_hash else None,
    }


def show_event(event: HubEvent) -> dict[str, Any]:
    """Show one event of the hub."""
    return {
        "event": event.kind,
        "tx": str(event.tx_hash),
        "block": event.block,
        "worker": str(event.worker) if event.worker else None,
        "result_hash": str(event.result_hash) if event.result_hash else None,
    }


def show_attempt(task: Task, attempt: Attempt, events: Sequence[HubEvent] = ()) -> dict[str, Any]:
    """Show a replicate with its history, what its status means and what decided it."""
    decided = decision(task, attempt, events)
    row = _row(task, attempt, decided)
    return {
        "worker": str(attempt.worker),
        "status": attempt.status,
        "meaning": row.meaning,
        "acts": row.acts,
        "next_step": row.next_step,
        "weight": attempt.weight,
        "live": attempt.live,
        "won_by": show_decision(decided),
        "dropped": row is DROPPED,
        "history": show_history(attempt, decided, events),
    }


def _row(task: Task, attempt: Attempt, decided: Decision | None) -> Row:
    """Return what a replicate's status means, of FAILED the cause that it has here."""
    if attempt.status is not Status.FAILED:
        return STATUSES[attempt.status]
    if decided is not None:
        return CLAIMED
    return DROPPED if is_dropped(task) else STATUSES[attempt.status]


def show_task(task: Task, events: Sequence[HubEvent] | None = None) -> dict[str, Any]:
    """Show a task with its replicates, the pool's transactions and its events on chain.

    ``chain`` is None where the events are not at hand; then no block is told.
    """
    facts, view, known = task.facts, task.view, events or ()
    return {
        "task_id": str(facts.task_id),
        "deal_id": str(facts.deal_id),
        "index": facts.index,
        "trust": facts.trust,
        "flow": task.flow,
        "status": task.status,
        "meaning": GONE if is_gone(task) else MEANINGS[task.status],
        "chain_status": task.chain_status.name,
        "contribution_deadline": facts.contribution_deadline,
        "reveal_deadline": view.reveal_deadline if view else 0,
        "final_deadline": facts.final_deadline,
        "consensus": str(view.consensus) if view and any(view.consensus) else None,
        "digest": str(view.digest) if view and any(view.digest) else None,
        "result_link": _link(task),
        "history": [{"status": status, "at": at} for status, at in task.history],
        "replicates": [show_attempt(task, attempt, known) for attempt in task.attempts],
        "chain": None if events is None else [show_event(event) for event in events],
        "transactions": [show_transaction(each) for each in task.transactions],
        "refusals": [
            {"call": each.kind, "times": each.times, "cause": each.cause} for each in task.refusals
        ],
    }


def _link(task: Task) -> str | None:
    if task.view is not None and task.view.results:
        return task.view.results.decode(errors="replace")
    return task.stored.link if task.stored else None


def show_transaction(transaction: Transaction) -> dict[str, Any]:
    """Show a transaction: gas in units, price in wei; null for what is not known."""
    return {
        "call": transaction.kind,
        "tx": str(transaction.tx),
        "block": transaction.block,
        "gas": transaction.gas,
        "gas_price": transaction.gas_price,
    }


def show_deal(deal: Deal, tasks: list[Task]) -> dict[str, Any]:
    """Show a deal and where its tasks stand (prices in nRLC)."""
    return {
        "deal_id": str(deal.deal_id),
        "app": str(deal.app.address),
        "dataset": str(deal.dataset.address) if deal.has_dataset else None,
        "requester": str(deal.requester),
        "trust": deal.trust,
        "category": deal.category,
        "tag": list(deal.tag.names),
        "price": deal.price,
        "worker_stake": deal.worker_stake,
        "tasks": [
            {"task_id": str(t.facts.task_id), "index": t.facts.index, "status": t.status}
            for t in tasks
        ],
    }


def show_seat(seat: Seat, replicates: int) -> dict[str, Any]:
    """Show a connected worker (stake in nRLC)."""
    return {
        "worker": str(seat.worker),
        "name": seat.name,
        "version": seat.version,
        "cpus": seat.cpus,
        "slots": seat.slots,
        "replicates": replicates,
        "score": seat.score,
        "stake": seat.stake,
        "paused": seat.paused,
        "reason": seat.reason,
    }
