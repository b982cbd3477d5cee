"""Rows of what happened to tasks, and of what was paid or lost: as the chain told it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select

from poolhand.domain.ids import Address, DealId, ResultHash, TaskId, TxHash
from poolhand.domain.market.task_story import StakeStep, TaskStep
from poolhand.domain.market_events import StakeChange
from poolhand.domain.onchain import EventKind
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds
from poolhand.store.market.schema import STAKE_STEPS, TASK_STEPS
from poolhand.store.market.where import beside_index, hexed

MOST_EVENTS_OF_TASK: Final = 2_000
"""Events of one task that are told: more than any honest one has."""
_ENDS: Final = (EventKind.TASK_FINALIZE, EventKind.TASK_CLAIMED)
_T: Final = TASK_STEPS.c
_S: Final = STAKE_STEPS.c


@dataclass(frozen=True, slots=True)
class TaskRow:
    """An event of a task as it is kept: of which task and deal, and the result's bytes."""

    task_id: TaskId
    deal_id: DealId
    log_index: int
    step: TaskStep
    results: bytes = b""


@dataclass(frozen=True, slots=True)
class StakeRow:
    """What was paid or lost, as it is kept."""

    log_index: int
    step: StakeStep


def put_task_steps(connection: Connection, rows: Iterable[TaskRow]) -> None:
    """Keep events of tasks; one that is there stays as it is."""
    for row in rows:
        step = row.step
        told = {
            "task_id": hexed(row.task_id),
            "deal_id": hexed(row.deal_id),
            "kind": step.kind.value,
            "moment": step.moment,
            "tx_hash": hexed(step.tx_hash),
            "party": None if step.party is None else hexed(step.party),
            "result_hash": None if step.result_hash is None else hexed(step.result_hash),
            "results": row.results.hex(),
        }
        _keep(connection, TASK_STEPS, row, told)


def put_stake_steps(connection: Connection, rows: Iterable[StakeRow]) -> None:
    """Keep what was paid or lost; what is there stays as it is."""
    for row in rows:
        step = row.step
        told = {
            "owner": hexed(step.owner),
            "change": step.change.value,
            "amount": step.amount,
            "task_id": None if step.task_id is None else hexed(step.task_id),
            "moment": step.moment,
            "tx_hash": hexed(step.tx_hash),
        }
        _keep(connection, STAKE_STEPS, row, told)


def forget_after(connection: Connection, mark: BlockNumber) -> None:
    """Drop what blocks after a mark told of tasks and stakes."""
    for table in (TASK_STEPS, STAKE_STEPS):
        connection.execute(delete(table).where(table.c.block > mark))


def deals_of_tasks(connection: Connection, tasks: Sequence[TaskId]) -> dict[TaskId, DealId]:
    """Return of which deals tasks are that were initialized."""
    found = {}
    for task in tasks:
        asked = select(_T.deal_id).where(_T.task_id == hexed(task)).limit(1)
        deal = connection.scalar(asked)
        if deal is not None:
            found[task] = DealId.parse(deal)
    return found


def steps_of(
    connection: Connection, tasks: Sequence[TaskId], most: int = MOST_EVENTS_OF_TASK
) -> Mapping[TaskId, list[TaskStep]]:
    """Return the events of tasks, in order."""
    found: dict[TaskId, list[TaskStep]] = defaultdict(list)
    asked = select(TASK_STEPS).where(_T.task_id.in_([hexed(task) for task in tasks]))
    asked = asked.order_by(_T.block, _T.log_index).limit(most)
    for row in connection.execute(asked).mappings():
        found[TaskId.parse(row["task_id"])].append(_step(row))
    return found


def results_of(connection: Connection, task: TaskId) -> bytes:
    """Return what a task's finalization put on chain; nothing where it has none."""
    kind = EventKind.TASK_FINALIZE.value
    asked = select(_T.results).where(_T.task_id == hexed(task), beside_index(_T.kind) == kind)
    return bytes.fromhex(connection.scalar(asked) or "")


def payments_of(connection: Connection, task: TaskId) -> list[StakeStep]:
    """Return what was paid and lost by a task, in order."""
    asked = select(STAKE_STEPS).where(_S.task_id == hexed(task))
    asked = asked.order_by(_S.block, _S.log_index).limit(MOST_EVENTS_OF_TASK)
    return [_stake(row) for row in connection.execute(asked).mappings()]


def stakes_of(connection: Connection, owner: Address, most: int) -> list[StakeStep]:
    """Return what an account was paid or lost, newest first."""
    asked = select(STAKE_STEPS).where(_S.owner == hexed(owner))
    asked = asked.order_by(_S.block.desc(), _S.log_index.desc()).limit(most)
    return [_stake(row) for row in connection.execute(asked).mappings()]


def newest_tasks(
    connection: Connection, most: int, party: Address, kind: EventKind = EventKind.TASK_CONTRIBUTE
) -> list[tuple[TaskId, DealId]]:
    """Return the tasks in whose events of a kind somebody appeared last, newest first."""
    asked = select(_T.task_id, _T.deal_id).where(_T.party == hexed(party), _T.kind == kind.value)
    rows = connection.execute(asked.order_by(_T.block.desc(), _T.log_index.desc()).limit(most))
    return [(TaskId.parse(task), DealId.parse(deal)) for task, deal in rows]


def latest_events(
    connection: Connection, kind: EventKind, most: int
) -> list[tuple[TaskId, TaskStep]]:
    """Return the newest events of a kind, newest first."""
    asked = select(TASK_STEPS).where(_T.kind == kind.value)
    asked = asked.order_by(_T.block.desc(), _T.log_index.desc()).limit(most)
    rows = connection.execute(asked).mappings()
    return [(TaskId.parse(row["task_id"]), _step(row)) for row in rows]


def ended_among(connection: Connection, tasks: Sequence[TaskId]) -> frozenset[TaskId]:
    """Return which of some tasks were finalized or claimed."""
    names, kinds = [hexed(task) for task in tasks], [kind.value for kind in _ENDS]
    asked = select(_T.task_id).where(_T.task_id.in_(names), beside_index(_T.kind).in_(kinds))
    return frozenset(map(TaskId.parse, connection.scalars(asked)))


def settled_of(connection: Connection, deals: Sequence[DealId]) -> dict[DealId, dict[str, int]]:
    """Return how many tasks of deals were initialized, finalized and claimed, by kind."""
    kinds = (EventKind.TASK_INITIALIZE, *_ENDS)
    asked = (
        select(_T.deal_id, _T.kind, func.count())
        .where(_T.deal_id.in_([hexed(deal) for deal in deals]))
        .where(_T.kind.in_([kind.value for kind in kinds]))
        .group_by(_T.deal_id, _T.kind)
    )
    found: dict[DealId, dict[str, int]] = defaultdict(dict)
    for deal, kind, number in connection.execute(asked):
        found[DealId.parse(deal)][kind] = number
    return found


def _keep(
    connection: Connection, table: Any, row: TaskRow | StakeRow, told: Mapping[str, Any]
) -> None:
    """Keep a row unless there is one at its place."""
    block, index = row.step.block, row.log_index
    asked = select(table.c.n).where(table.c.block == block, table.c.log_index == index)
    if connection.scalar(asked) is None:
        connection.execute(insert(table).values(block=block, log_index=index, **told))


def _step(row: Any) -> TaskStep:
    party, agreed = row["party"], row["result_hash"]
    return TaskStep(
        EventKind(row["kind"]),
        UnixSeconds(row["moment"]),
        BlockNumber(row["block"]),
        TxHash.parse(row["tx_hash"]),
        None if party is None else Address.parse(party),
        None if agreed is None else ResultHash.parse(agreed),
    )


def _stake(row: Any) -> StakeStep:
    task = row["task_id"]
    return StakeStep(
        StakeChange(row["change"]),
        Address.parse(row["owner"]),
        NanoRlc(row["amount"]),
        UnixSeconds(row["moment"]),
        BlockNumber(row["block"]),
        TxHash.parse(row["tx_hash"]),
        None if task is None else TaskId.parse(task),
    )
