"""One writer: pieces of work that wait together become durable together, each whole or not at all.

While one transaction is written and synced the next pieces gather, so that a busy market makes few
commits and an idle one makes one for each piece, without a pause in either.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
PIECES_PER_TRANSACTION: Final = 64
"""Pieces in one transaction: some tens of milliseconds, which the first of them waits for all."""


@dataclass(slots=True)
class _Piece:
    work: Callable[[Connection], Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    result: Any = None
    fault: BaseException | None = None


class BookWriter:
    """Runs work in transactions, one after the other, on one thread.

    Args:
        engine: Of the database.
        begin: Begins a transaction that writes, or raises why this process may not.
        unwritable: Makes the error of one that did not take a transaction.
    """

    def __init__(
        self,
        engine: Engine,
        begin: Callable[[Connection], None],
        unwritable: Callable[[DBAPIError], Exception],
    ) -> None:
        self._engine, self._begin, self._unwritable = engine, begin, unwritable
        self._thread = ThreadPoolExecutor(1, "book-writer")
        self._waiting: deque[_Piece] = deque()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work; it is durable, or nothing of it is kept.

        Raises:
            Exception: What the work raised, or what ``unwritable`` made.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Piece(work, loop, done))
        self._thread.submit(self._write_waiting)
        return await done

    def close(self) -> None:
        """Write what still waits."""
        self._thread.shutdown()

    def _write_waiting(self) -> None:
        pieces = [
            self._waiting.popleft() for _ in range(min(len(self._waiting), PIECES_PER_TRANSACTION))
        ]
        if not pieces:
            return  # an earlier turn took them
        try:
            with self._engine.begin() as connection:
                self._begin(connection)
                for piece in pieces:
                    _run(connection, piece, alone=len(pieces) == 1)
        except DBAPIError as fault:
            for piece in pieces:
                piece.fault = self._unwritable(fault)
        except BaseException as fault:  # noqa: BLE001 - whoever waits is told, and raises it
            for piece in pieces:
                piece.fault = piece.fault or fault
        for piece in pieces:
            piece.loop.call_soon_threadsafe(_tell, piece)


def _run(connection: Connection, piece: _Piece, *, alone: bool) -> None:
    """Run one piece; what it raises undoes it and nothing else, but for faults of the database."""
    if alone:
        piece.result = piece.work(connection)
        return
    try:
        with connection.begin_nested():
            piece.result = piece.work(connection)
    except DBAPIError:
        raise
    except Exception as fault:  # noqa: BLE001 - it is raised where the work was asked for
        piece.fault = fault


def _tell(piece: _Piece) -> None:
    if piece.done.done():
        return  # whoever asked has gone
    if piece.fault is None:
        piece.done.set_result(piece.result)
    else:
        piece.done.set_exception(piece.fault)
