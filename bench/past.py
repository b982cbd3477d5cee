"""A pool's long past: rows of tasks that have settled, written through the store's own tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import reduce
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, create_engine, insert, select

from poolhand.domain.ids import Address, DealId, ResultDigest, ResultHash, TaskId, TxHash
from poolhand.domain.ids import ResultSeal as Seal
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, ContributionView, TaskView
from poolhand.domain.replicate.events import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task import machine
from poolhand.domain.task.events import (
    Assigned,
    Mined,
    Received,
    Reported,
    TaskMachineEvent,
    Viewed,
)
from poolhand.domain.task.model import Task, TaskFacts, Transaction
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, Gas, Seconds, UnixSeconds, Wei
from poolhand.store.rows import attempt_values, task_values, transaction_values
from poolhand.store.schema import ATTEMPTS, POOL_DEALS_TABLE, TASKS, TOTALS, TRANSACTIONS

PER_DEAL: Final = 100
AT_ONCE: Final = 10_000
"""Tasks in one statement."""
WORKER: Final = Address(bytes([3] * 20))
TOLD: Final = (
    Status.RUNNING, Status.APP_DOWNLOADING, Status.APP_DOWNLOADED, Status.DATA_DOWNLOADING,
    Status.DATA_DOWNLOADED, Status.COMPUTING, Status.COMPUTED, Status.RESULT_UPLOADING,
    Status.RESULT_UPLOADED, Status.CAN_CONTRIBUTE, Status.CONTRIBUTING, Status.CONTRIBUTED,
)  # fmt: skip
Values = dict[str, Any]


def write_past(url: str, tasks: int) -> None:
    """Put so many settled tasks into a database that a pool has served a deal from.

    Args:
        url: Of an SQLite database that nobody has open.
        tasks: How many; a hundred of each deal.
    """
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous=OFF")
        connection.commit()
        _write_deals(connection, -(-tasks // PER_DEAL))
        _write_tasks(connection, tasks)
        connection.execute(insert(TOTALS), [{"status": "COMPLETED", "tasks": tasks}])
        connection.commit()
    engine.dispose()


def settled(deal_id: DealId, task_id: TaskId, now: UnixSeconds) -> Task:
    """Return a task of the quick flow that one worker has settled."""
    deadlines = UnixSeconds(now + 2_100), UnixSeconds(now + 3_000)
    quick = Flow.CONTRIBUTE_AND_FINALIZE
    facts = TaskFacts(task_id, deal_id, 0, Trust(1), quick, NO_TAG, *deadlines, BlockNumber(1))
    begun = Transaction("initialize", _tx(1), BlockNumber(2), Gas(170_000), Wei(10**9))
    ended = Transaction("finalize", _tx(2), BlockNumber(3), Gas(505_000), Wei(10**9))
    entries = tuple(Entry(status, now) for status in TOLD)
    events: list[TaskMachineEvent] = [
        Assigned(now, WORKER, Weight(2)),
        Mined(now, begun),
        Viewed(now, _view(task_id, ChainTaskStatus.ACTIVE, now)),
        Reported(now, WORKER, 0, entries),
        Mined(now, ended),
        Viewed(now, _view(task_id, ChainTaskStatus.COMPLETED, now)),
        Reported(now, WORKER, len(entries), (Entry(Status.COMPLETED, now),)),
    ]
    found = reduce(lambda task, event: machine.step(task, event)[0], events, _begin(now, facts))
    assert machine.is_settled(found)
    return found


def _begin(now: UnixSeconds, facts: TaskFacts) -> Task:
    return machine.receive(Received(now, facts))


def _view(task_id: TaskId, status: ChainTaskStatus, now: UnixSeconds) -> TaskView:
    seen = ContributionView(ContributionStatus.PROVED, _hash(4), Seal(bytes([5] * 32)), 1)
    by = {WORKER: seen} if status is ChainTaskStatus.COMPLETED else {}
    return TaskView(
        task_id, BlockNumber(2), now, status, Seconds(300), UnixSeconds(now + 2_100),
        UnixSeconds(now + 2_700), UnixSeconds(now + 3_000), _hash(4), len(by), len(by), tuple(by),
        ResultDigest(bytes([6] * 32)), b'{ "storage": "ipfs", "location": "http://results.test" }',
        by,
    )  # fmt: skip


def _tx(number: int) -> TxHash:
    return TxHash(bytes([number] * 32))


def _hash(number: int) -> ResultHash:
    return ResultHash(bytes([number] * 32))


def _write_deals(connection: Connection, deals: int) -> None:
    """Write copies of a deal that is there."""
    known = dict(connection.execute(select(POOL_DEALS_TABLE).limit(1)).mappings().one())
    rows = (_renamed(known, known["deal_id"], str(_deal(number))) for number in range(deals))
    _insert(connection, POOL_DEALS_TABLE, rows)


def _write_tasks(connection: Connection, tasks: int) -> None:
    now = UnixSeconds(int(time.time()))
    first = settled(_deal(0), _task(0), now)
    parts = (TASKS, [task_values(first)]), (ATTEMPTS, attempt_values(first))
    for table, models in (*parts, (TRANSACTIONS, transaction_values(first))):
        copies = (_copy(values, number) for number in range(tasks) for values in models)
        _insert(connection, table, copies)


def _copy(values: Values, number: int) -> Values:
    copy = _renamed(values, str(_task(0)), str(_task(number)))
    copy = _renamed(copy, str(_deal(0)), str(_deal(number // PER_DEAL)))
    return {**copy, "place": number % PER_DEAL} if "deal_id" in copy else copy


def _renamed(values: Values, old: str, new: str) -> Values:
    return {
        name: value.replace(old, new) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _insert(connection: Connection, table: Any, rows: Iterator[Values]) -> None:
    while some := list(islice(rows, AT_ONCE)):
        connection.execute(insert(table), some)
    connection.commit()


def _deal(number: int) -> DealId:
    return DealId(b"\1" * 8 + number.to_bytes(24, "big"))


def _task(number: int) -> TaskId:
    return TaskId(b"\2" * 8 + number.to_bytes(24, "big"))
