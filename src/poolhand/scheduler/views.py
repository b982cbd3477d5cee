"""What the public API says of tasks, replicates and workers: JSON-ready dictionaries."""

from __future__ import annotations

from typing import Any

from poolhand.domain.deal import Deal
from poolhand.domain.onchain import Receipt
from poolhand.domain.replicate.machine import Entry
from poolhand.domain.replicate.status import STATUSES
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.status import MEANINGS
from poolhand.scheduler.roster import Seat


def show_entry(entry: Entry) -> dict[str, Any]:
    """Show one line of a replicate's history."""
    return {
        "status": entry.status,
        "at": entry.at,
        "detail": entry.detail,
        "tx": str(entry.tx) if entry.tx else None,
    }


def show_attempt(attempt: Attempt) -> dict[str, Any]:
    """Show a replicate with its history, and what its status means."""
    row = STATUSES[attempt.status]
    return {
        "worker": str(attempt.worker),
        "status": attempt.status,
        "meaning": row.meaning,
        "acts": row.acts,
        "next_step": row.next_step,
        "weight": attempt.weight,
        "live": attempt.live,
        "history": [show_entry(entry) for entry in attempt.log],
    }


def show_task(task: Task, receipts: list[tuple[str, Receipt]] | None = None) -> dict[str, Any]:
    """Show a task with its replicates and the pool's transactions."""
    facts, view = task.facts, task.view
    return {
        "task_id": str(facts.task_id),
        "deal_id": str(facts.deal_id),
        "index": facts.index,
        "trust": facts.trust,
        "flow": facts.flow,
        "status": task.status,
        "meaning": MEANINGS[task.status],
        "chain_status": task.chain_status.name,
        "contribution_deadline": facts.contribution_deadline,
        "reveal_deadline": view.reveal_deadline if view else 0,
        "final_deadline": facts.final_deadline,
        "consensus": str(view.consensus) if view and any(view.consensus) else None,
        "digest": str(view.digest) if view and any(view.digest) else None,
        "result_link": _link(task),
        "history": [{"status": status, "at": at} for status, at in task.history],
        "replicates": [show_attempt(attempt) for attempt in task.attempts],
        "transactions": [show_receipt(kind, receipt) for kind, receipt in receipts or ()],
        "refusals": [
            {"call": each.kind, "times": each.times, "cause": each.cause} for each in task.refusals
        ],
    }


def _link(task: Task) -> str | None:
    if task.view is not None and task.view.results:
        return task.view.results.decode(errors="replace")
    return task.stored.link if task.stored else None


def show_receipt(kind: str, receipt: Receipt) -> dict[str, Any]:
    """Show a transaction: gas in units, price in wei."""
    return {
        "call": kind,
        "tx": str(receipt.tx_hash),
        "block": receipt.block,
        "gas": receipt.gas_used,
        "gas_price": receipt.gas_price,
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
