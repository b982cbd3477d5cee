"""What apps have printed, in a database of its own: one thread beside the loop reads and writes it.

It is not the pool's journal: no commit of money waits for it, and a disk that is full or broken
costs lines and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    union_all,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from poolhand.domain.app_lines import AppLine
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.line_window import LineRun, joined
from poolhand.domain.units import MIB, UnixSeconds
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.output_spool import (
    BYTES_PER_ENTRY,
    KEPT_BYTES_AT_ONCE,
    KEPT_RUNS_AT_ONCE,
    OutputEnds,
    SpoolBounds,
)
from poolhand.store.columns import numbers, texts
from poolhand.store.sql_engine import open_engine

_FAST: Final = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000")
"""A power cut may cost the last lines, and no more."""
MOST_WAITING: Final = 16 * MIB
"""Bytes that wait to be written; a disk that is slower loses what comes on top."""
_PRUNED_AT_ONCE: Final = 500
R = TypeVar("R")

_METADATA: Final = MetaData()
_LINES: Final = Table(
    "app_lines",
    _METADATA,
    Column("task_id", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    *numbers("end_number", "size"),
    Column("at", BigInteger, nullable=False, index=True),
    *texts("lines"),
)
_ENDS: Final = Table(
    "app_ends",
    _METADATA,
    Column("task_id", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    *numbers("size"),
    Column("at", BigInteger, nullable=False, index=True),
    *texts("stdout", "stderr"),
)


class SqlOutputSpool:
    """Implements ``ports.output_spool.OutputSpool`` over a database by its URL.

    Args:
        url: As SQLAlchemy has it; tables are made where there are none.
        bounds: What is kept at most.
    """

    def __init__(self, url: str, bounds: SpoolBounds = SpoolBounds()) -> None:
        self._bounds = bounds
        self._thread = ThreadPoolExecutor(1, "output-spool")
        self._waiting: deque[tuple[Table, dict[str, Any]]] = deque()
        self._held, self._counting = 0, Lock()
        self._is_closed = False
        self._engine: Engine = open_engine(url, _FAST)
        self._is_made = False
        self._trouble = OutageLog(
            "app_output_not_kept",
            "app_output_kept",
            acts="owner of the pool",
            next_step="free some space, or look at the database of what apps print; all else "
            "goes on",
        )

    def keep(
        self, task_id: TaskId, worker: Address, run: LineRun[AppLine], at: UnixSeconds
    ) -> None:
        """Have lines kept."""
        text = json.dumps(
            [[each.is_error, each.text] for each in run.lines],
            ensure_ascii=False,
            separators=(",", ":"),
        )
        row = {
            "task_id": str(task_id),
            "worker": str(worker),
            "first": run.first,
            "end_number": run.end,
            "size": _size(text),
            "at": at,
            "lines": text,
        }
        self._put(_LINES, row)

    def keep_end(
        self, task_id: TaskId, worker: Address, stdout: str, stderr: str, at: UnixSeconds
    ) -> None:
        """Have the end of an output kept."""
        row = {
            "task_id": str(task_id),
            "worker": str(worker),
            "size": _size(stdout, stderr),
            "at": at,
            "stdout": stdout.replace("\0", "\ufffd"),  # PostgreSQL's text has no room for it
            "stderr": stderr.replace("\0", "\ufffd"),
        }
        self._put(_ENDS, row)

    def _put(self, table: Table, row: dict[str, Any]) -> None:
        if self._is_closed:
            return
        if self._held > MOST_WAITING:
            self._trouble.tell("the disk is slower than what apps print")
            return
        with self._counting:
            self._held += row["size"]
        self._waiting.append((table, row))
        self._thread.submit(self._write_waiting)

    async def run(self, task_id: TaskId, worker: Address, after: int) -> LineRun[AppLine] | None:
        """Return some of the lines that are kept."""
        none: Sequence[Any] = ()
        rows = await self._ask(lambda it: _runs(it, str(task_id), str(worker), after), none)
        found = joined(LineRun(first, _lines(text)) for first, text in rows)
        return None if found is None else found.since(after)

    async def numbers(self, task_id: TaskId) -> Mapping[Address, int]:
        """Return the number behind the last line that is kept, by worker."""
        query = (
            select(_LINES.c.worker, func.max(_LINES.c.end_number))
            .where(_LINES.c.task_id == str(task_id))
            .group_by(_LINES.c.worker)
        )
        rows = await self._rows(query)
        return {Address.parse(worker): number for worker, number in rows}

    async def ends(self, task_id: TaskId) -> OutputEnds:
        """Return the ends of the outputs of a task."""
        query = select(_ENDS.c.worker, _ENDS.c.stdout, _ENDS.c.stderr).where(
            _ENDS.c.task_id == str(task_id)
        )
        rows = await self._rows(query)
        return {Address.parse(worker): (out, err) for worker, out, err in rows}

    async def _rows(self, query: Select[Any]) -> Sequence[Any]:
        empty: Sequence[Any] = ()
        return await self._ask(lambda it: it.execute(query).all(), empty)

    async def prune(self, before: UnixSeconds) -> None:
        """Let go of what is older, and of the oldest as long as all takes too much."""
        while await self._ask(lambda it: _prune(it, before, self._bounds.in_all), 0):
            pass

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        if not self._is_closed:
            self._is_closed = True
            self._thread.submit(self._write_waiting)
            self._thread.shutdown()
            self._engine.dispose()

    # --- on the thread ------------------------------------------------------------------------

    async def _ask(self, work: Callable[[Connection], R], otherwise: R) -> R:
        """Do something on the thread, behind what waits; ``otherwise`` where the database fails."""

        def asked() -> R:
            self._write_waiting()
            return self._try(work, otherwise)

        return await asyncio.get_running_loop().run_in_executor(self._thread, asked)

    def _write_waiting(self) -> None:
        rows = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if rows:
            with self._counting:
                self._held -= sum(row["size"] for _, row in rows)
            self._try(lambda it: _write(it, rows, self._bounds.per_output), None)

    def _try(self, work: Callable[[Connection], R], otherwise: R) -> R:
        try:
            if not self._is_made:
                _METADATA.create_all(self._engine)
                self._is_made = True
            with self._engine.begin() as connection:
                done = work(connection)
        except (DBAPIError, SQLAlchemyError, OSError, OverflowError) as fault:
            self._trouble.tell(str(fault.orig if isinstance(fault, DBAPIError) else fault))
            return otherwise
        self._trouble.over()
        return done


def _size(*texts: str) -> int:
    return BYTES_PER_ENTRY + sum(len(each.encode(errors="replace")) for each in texts)


def _write(
    connection: Connection, rows: list[tuple[Table, dict[str, Any]]], per_output: int
) -> None:
    for table, row in rows:
        whose = (table.c.task_id == row["task_id"]) & (table.c.worker == row["worker"])
        if table is _ENDS:
            connection.execute(delete(_ENDS).where(whose))
        else:
            held, end = connection.execute(
                select(func.coalesce(func.sum(_LINES.c.size), 0), func.max(_LINES.c.end_number))
                .where(whose)
            ).one()  # fmt: skip
            if held + row["size"] > per_output or row["first"] < (end or 0):
                continue
        connection.execute(insert(table), row)


def _runs(connection: Connection, task_id: str, worker: str, after: int) -> Sequence[Any]:
    """Return the numbers and texts of kept runs, as many as are read at once."""
    whose = (_LINES.c.task_id == task_id) & (_LINES.c.worker == worker)
    heads = (
        select(_LINES.c.first, _LINES.c.size)
        .where(whose, _LINES.c.end_number > after)
        .order_by(_LINES.c.first)
        .limit(KEPT_RUNS_AT_ONCE)
    )
    fit, held = list[int](), 0
    for first, size in connection.execute(heads).all():
        held += size
        if fit and held > KEPT_BYTES_AT_ONCE:
            break
        fit.append(first)
    if not fit:
        return ()
    texts = select(_LINES.c.first, _LINES.c.lines).where(
        whose, _LINES.c.first.between(fit[0], fit[-1])
    )
    return connection.execute(texts.order_by(_LINES.c.first)).all()


def _lines(text: str) -> tuple[AppLine, ...]:
    return tuple(AppLine(*each) for each in parse_json(text))


def _prune(connection: Connection, before: int, in_all: int) -> int:
    """Let go of some rows, the oldest first; returns how many."""
    gone = 0
    for table in (_LINES, _ENDS):
        keys = table.primary_key.columns
        old = select(*keys).where(table.c.at < before).limit(_PRUNED_AT_ONCE)
        gone += _drop(connection, table, old)
    sizes = union_all(*(select(func.sum(each.c.size).label("size")) for each in (_LINES, _ENDS)))
    if not gone and (connection.scalar(select(func.sum(sizes.subquery().c.size))) or 0) > in_all:
        for table in (_LINES, _ENDS):
            oldest = select(*table.primary_key.columns).order_by(table.c.at).limit(_PRUNED_AT_ONCE)
            gone += _drop(connection, table, oldest)
    return gone


def _drop(connection: Connection, table: Table, found: Any) -> int:
    rows = connection.execute(found).all()
    for row in rows:
        matches = [column == value for column, value in zip(table.primary_key, row, strict=True)]
        connection.execute(delete(table).where(*matches))
    return len(rows)
