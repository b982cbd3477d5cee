"""Tasks and deals as rows, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from poolhand.domain.deal import Deal
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.task.model import Attempt, Task, Transaction
from poolhand.ports.archive import KeptDeal
from poolhand.wire.journal_json import EventCodec

TASK: Final[EventCodec[Task]] = EventCodec((Task,))
ATTEMPT: Final[EventCodec[Attempt]] = EventCodec((Attempt,))
TRANSACTION: Final[EventCodec[Transaction]] = EventCodec((Transaction,))
DEAL: Final[EventCodec[Deal]] = EventCodec((Deal,))

Values = dict[str, Any]
"""A row by its columns."""


def task_values(task: Task) -> Values:
    """Return a task's own row; attempts and transactions have theirs."""
    facts = task.facts
    return {
        "task_id": str(facts.task_id),
        "deal_id": str(facts.deal_id),
        "place": facts.index,
        "status": str(task.status),
        "ended": task.chain_status is not ChainTaskStatus.UNSET,
        "final_deadline": facts.final_deadline,
        "state": _text(TASK.encode(replace(task, attempts=(), transactions=()))),
    }


def attempt_values(task: Task) -> list[Values]:
    """Return the rows of a task's replicates."""
    return [
        {
            "task_id": str(task.facts.task_id),
            "place": place,
            "worker": str(each.worker),
            "status": str(each.status),
            "state": _text(ATTEMPT.encode(each)),
        }
        for place, each in enumerate(task.attempts)
    ]


def transaction_values(task: Task) -> list[Values]:
    """Return the rows of the transactions that moved a task."""
    return [
        {
            "task_id": str(task.facts.task_id),
            "place": place,
            "kind": each.kind,
            "tx": str(each.tx),
            "block": each.block,
            "gas": each.gas,
            "gas_price": None if each.gas_price is None else str(each.gas_price),
        }
        for place, each in enumerate(task.transactions)
    ]


def read_task(
    state: str, attempts: Iterable[str], transactions: Sequence[Mapping[str, Any]]
) -> Task:
    """Put a task together again.

    Raises:
        Malformed: A row was altered.
    """
    return replace(
        TASK.decode(json.loads(state)),
        attempts=tuple(ATTEMPT.decode(json.loads(each)) for each in attempts),
        transactions=tuple(_read_transaction(each) for each in transactions),
    )


def deal_values(kept: KeptDeal) -> Values:
    """Return a deal's row."""
    return {
        "deal_id": str(kept.deal.deal_id),
        "requester": str(kept.deal.requester),
        "app": str(kept.deal.app.address),
        "final_deadline": kept.final_deadline,
        "state": _text(DEAL.encode(kept.deal)),
    }


def read_deal(state: str) -> Deal:
    """Read a deal; raises Malformed where its row was altered."""
    return DEAL.decode(json.loads(state))


def _read_transaction(row: Mapping[str, Any]) -> Transaction:
    price = row["gas_price"]
    known = {"gas_price": None if price is None else int(price)}
    told = {name: row[name] for name in ("kind", "tx", "block", "gas")}
    return TRANSACTION.decode({"t": "Transaction", **told, **known})


def _text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)
