"""A book in SQLite that counts the steps of its virtual machine."""

from __future__ import annotations

from sqlalchemy import create_engine

from poolhand.store.market.schema import BOOK


class CountedSteps:
    """Give it work, and it tells how many steps that took."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://")
        BOOK.create_all(self.engine)
        self.connection = self.engine.connect()
        self.taken = 0

    def _step(self) -> int:
        self.taken += 1
        return 0

    def of(self, work) -> int:
        raw = self.connection.connection.driver_connection
        raw.set_progress_handler(self._step, 1)
        self.taken = 0
        work(self.connection)
        raw.set_progress_handler(None, 1)
        return self.taken

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()
