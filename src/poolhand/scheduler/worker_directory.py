"""The workers that are connected, and what they can take."""

from __future__ import annotations

from dataclasses import replace

from poolhand.domain.deal import Account
from poolhand.domain.ids import Address
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.reputation import Reputation
from poolhand.domain.signal import Signal
from poolhand.domain.trust import Score


class WorkerDirectory:
    """The workers that are there, by address.

    Attributes:
        changed: Tells of a worker that came, went, or of which something else is known now.
    """

    def __init__(self) -> None:
        self._workers: dict[Address, ConnectedWorker] = {}
        self.changed: Signal[[Address]] = Signal()

    def __len__(self) -> int:
        return len(self._workers)

    def join(self, worker: ConnectedWorker) -> None:
        """Add or replace a worker."""
        if self._workers.get(worker.worker) != worker:
            self._workers[worker.worker] = worker
            self.changed(worker.worker)

    def leave(self, worker: Address) -> None:
        """Remove a worker; repeatable."""
        if self._workers.pop(worker, None) is not None:
            self.changed(worker)

    def get(self, worker: Address) -> ConnectedWorker | None:
        """Return a connected worker."""
        return self._workers.get(worker)

    def has(self, worker: Address) -> bool:
        """Whether a worker is connected."""
        return worker in self._workers

    def pause(self, worker: Address, *, paused: bool, reason: str | None) -> bool:
        """Note that a worker takes nothing, or again takes something; True when that is news."""
        known = self._workers.get(worker)
        if known is None or (known.paused, known.reason) == (paused, reason):
            return False
        self.join(replace(known, paused=paused, reason=reason))
        return True

    def appraise(self, worker: Address, score: Score, account: Account) -> None:
        """Note what the chain says of a worker."""
        known = self._workers.get(worker)
        if known is not None:
            self.join(replace(known, score=score, stake=account.stake, locked=account.locked))

    def judged(self, worker: Address, reputation: Reputation) -> None:
        """Note what the pool now thinks of a worker."""
        known = self._workers.get(worker)
        if known is not None:
            self.join(replace(known, reputation=reputation))

    def all(self) -> tuple[ConnectedWorker, ...]:
        """Return everybody, in order of arrival."""
        return tuple(self._workers.values())
