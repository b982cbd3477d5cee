"""Rows of an SQL database: how they are written in a commit, and how they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, update

from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import UnixSeconds
from poolhand.ports.archive import KeptDeal, SettledRow, TaskLine
from poolhand.store.rows import (
    Values,
    attempt_values,
    deal_values,
    read_deal,
    read_task,
    task_values,
    transaction_values,
)
from poolhand.store.schema import ATTEMPTS, CURSORS, POOL_DEALS_TABLE, TASKS, TOTALS, TRANSACTIONS

TASK_TABLES: Final = (ATTEMPTS, TRANSACTIONS)
"""Tables whose rows are a task's."""


def keep(connection: Connection, rows: Iterable[SettledRow]) -> None:
    """Write rows; those that are there already are replaced."""
    kept = tuple(rows)
    tasks = tuple({row.facts.task_id: row for row in kept if isinstance(row, Task)}.values())
    _put(
        connection,
        POOL_DEALS_TABLE,
        [deal_values(row) for row in kept if isinstance(row, KeptDeal)],
    )
    if tasks:
        _drop(connection, [str(task.facts.task_id) for task in tasks])
        connection.execute(insert(TASKS), [task_values(task) for task in tasks])
        for table, values in ((ATTEMPTS, attempt_values), (TRANSACTIONS, transaction_values)):
            if found := [each for task in tasks for each in values(task)]:
                connection.execute(insert(table), found)
        _count(connection, Counter(str(task.status) for task in tasks))


def mark(connection: Connection, cursors: Mapping[str, int]) -> None:
    """Set cursors."""
    rows = [{"name": name, "value": value} for name, value in cursors.items()]
    _put(connection, CURSORS, rows)


def _put(connection: Connection, table: Any, rows: list[Values]) -> None:
    """Write rows by the table's first column, of equals the last."""
    if rows:
        key = table.columns[0]
        by_key = {row[key.name]: row for row in rows}
        connection.execute(
            delete(table).where(key == bindparam("key")), [{"key": each} for each in by_key]
        )
        connection.execute(insert(table), list(by_key.values()))


def _drop(connection: Connection, ids: list[str]) -> None:
    """Take tasks away, and out of the totals."""
    statuses = connection.scalars(select(TASKS.c.status).where(TASKS.c.task_id.in_(ids))).all()
    if statuses:
        for table in (TASKS, *TASK_TABLES):
            connection.execute(delete(table).where(table.c.task_id.in_(ids)))
        _count(connection, {status: -count for status, count in Counter(statuses).items()})


def _count(connection: Connection, changes: Mapping[str, int]) -> None:
    for status, change in changes.items():
        known = update(TOTALS).where(TOTALS.c.status == status)
        if not connection.execute(known.values(tasks=TOTALS.c.tasks + change)).rowcount:
            connection.execute(insert(TOTALS), [{"status": status, "tasks": change}])


class SqlArchive:
    """Implements ``ports.archive.SettledArchive`` over the connection of a journal.

    Args:
        transaction: Yields the connection, commits in the end, and lets nobody in between.
        writing: The same, for what is changed.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection]],
        writing: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._transaction, self._writing = transaction, writing

    def task(self, task_id: TaskId) -> Task | None:
        """Return a settled task."""
        with self._transaction() as connection:
            found = _read(connection, select(TASKS).where(TASKS.c.task_id == str(task_id)))
        return found[0] if found else None

    def tasks(self, status: TaskStatus | None, before: TaskId | None, most: int) -> Sequence[Task]:
        """Return settled tasks, the one that settled last first."""
        query = select(TASKS).order_by(TASKS.c.n.desc()).limit(most)
        if status is not None:
            query = query.where(TASKS.c.status == str(status))
        with self._transaction() as connection:
            if before is not None:
                place = select(TASKS.c.n).where(TASKS.c.task_id == str(before))
                if (number := connection.scalar(place)) is not None:
                    query = query.where(TASKS.c.n < number)
            return _read(connection, query)

    def deal(self, deal_id: DealId) -> Deal | None:
        """Return a deal."""
        query = select(POOL_DEALS_TABLE.c.state).where(POOL_DEALS_TABLE.c.deal_id == str(deal_id))
        with self._transaction() as connection:
            found = connection.scalar(query)
        return None if found is None else read_deal(found)

    def lines(self, deal_id: DealId, first: int, end: int) -> Sequence[TaskLine]:
        """Return settled tasks of a deal in order of their index: from one on, before another."""
        columns = select(TASKS.c.task_id, TASKS.c.place, TASKS.c.status)
        asked = TASKS.c.deal_id == str(deal_id), TASKS.c.place >= first, TASKS.c.place < end
        query = columns.where(*asked).order_by(TASKS.c.place)
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        return [TaskLine(TaskId.parse(name), at, TaskStatus(status)) for name, at, status in rows]

    def ended(self, deal_id: DealId) -> frozenset[TaskId]:
        """Return those tasks of a deal that the chain has ended."""
        query = select(TASKS.c.task_id).where(TASKS.c.deal_id == str(deal_id), TASKS.c.ended)
        with self._transaction() as connection:
            return frozenset(map(TaskId.parse, connection.scalars(query)))

    def counts(self) -> Mapping[TaskStatus, int]:
        """Return how many tasks have settled, by their status."""
        with self._transaction() as connection:
            rows = connection.execute(select(TOTALS.c.status, TOTALS.c.tasks)).all()
        return {TaskStatus(status): tasks for status, tasks in rows}

    def prune(self, before: UnixSeconds, most: int) -> int:
        """Forget settled tasks and deals of long ago."""
        query = select(TASKS.c.task_id).where(TASKS.c.final_deadline < before).limit(most)
        empty = ~exists().where(TASKS.c.deal_id == POOL_DEALS_TABLE.c.deal_id)
        old = (
            select(POOL_DEALS_TABLE.c.deal_id)
            .where(POOL_DEALS_TABLE.c.final_deadline < before, empty)
            .limit(most)
        )
        with self._writing() as connection:
            names = list(connection.scalars(query))
            if names:
                _drop(connection, names)
            connection.execute(delete(POOL_DEALS_TABLE).where(POOL_DEALS_TABLE.c.deal_id.in_(old)))
        return len(names)


def _read(connection: Connection, query: Any) -> list[Task]:
    """Put tasks together, each kind of their parts read at once."""
    rows = connection.execute(query).mappings().all()
    names = [row["task_id"] for row in rows]
    attempts, transactions = (_parts(connection, table, names) for table in TASK_TABLES)
    return [
        read_task(
            row["state"],
            [each["state"] for each in attempts.get(row["task_id"], ())],
            transactions.get(row["task_id"], ()),
        )
        for row in rows
    ]


def _parts(connection: Connection, table: Any, names: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    if names:
        query = select(table).where(table.c.task_id.in_(names)).order_by(table.c.place)
        for row in connection.execute(query).mappings():
            found.setdefault(row["task_id"], []).append(row)
    return found
