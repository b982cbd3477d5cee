"""The leader's lease: it beats in the database, and may act for a while after each beat."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from poolhand.domain.lead import PAUSE_BETWEEN_LEAD_BEATS, leads
from poolhand.ports.lead import LeadLost

_BOOTTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Beating(Protocol):
    """What is beaten in: ``store.sql.SqlJournal``."""

    def beat(self) -> None:
        """Give a sign of life; raises LeadLost where another leads."""


def boot_seconds() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(_BOOTTIME)


class Lease:
    """Implements ``ports.lead.Fence``: whoever slept through its lease is stopped by its clock.

    Args:
        journal: That was opened at ``taken`` or later.
        taken: When whoever leads began to take the lead, of ``clock``.
        clock: Seconds that no sleep of process or machine stops.
    """

    def __init__(
        self, journal: Beating, taken: float, clock: Callable[[], float] = boot_seconds
    ) -> None:
        self._journal, self._clock = journal, clock
        self._beaten = taken
        self._fault: BaseException | None = None
        self._ended = threading.Event()

    def check(self) -> None:
        """Do nothing within the lease; raises LeadLost after it, and once it was given up."""
        if self._fault is not None:
            why = self._fault.why if isinstance(self._fault, LeadLost) else str(self._fault)
            raise LeadLost(why) from self._fault
        if self._ended.is_set():
            raise LeadLost("it gave the lead up")
        if not leads(self._beaten, self._clock()):
            raise LeadLost("it had no sign of its database for longer than its lease")

    def beat(self) -> None:
        """Beat once, and lead on for a lease from before it."""
        began = self._clock()
        self._journal.beat()
        self._beaten = began

    def end(self) -> None:
        """Give the lead up: nothing more passes."""
        self._ended.set()

    def _keep(self) -> None:
        while not self._ended.wait(PAUSE_BETWEEN_LEAD_BEATS):
            try:
                self.check()
                self.beat()
            except BaseException as fault:  # noqa: BLE001 - whoever checks is told
                self._fault = fault
                return

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Beat in a thread of its own, so that a busy loop loses no lead; ended at the end.

        Nobody waits for the thread: its last beat may be one that the server does not answer.
        """
        threading.Thread(target=self._keep, name="lease", daemon=True).start()
        try:
            yield
        finally:
            self.end()
