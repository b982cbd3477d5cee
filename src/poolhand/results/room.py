"""How many bytes lie here, whose they are, and who may bring more.

An archive that the chain stands behind is kept for its requester; until then it is only a worker's
word, and one worker may leave just so much of that here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.ports.storage import Archive
from poolhand.results.errors import NoRoomForWorker, NoRoomLeft

_Key = tuple[TaskId, Address, ResultDigest]


@dataclass(frozen=True, slots=True)
class Quota:
    """Bytes of one worker's archives that wait for the chain; of all that is here.

    ``stored`` None: what is here at the start and nine tenths of what the disk has free then.
    """

    of_worker: int
    stored: int | None = None


class ResultsRoom:
    """Counts what is kept and what is on its way; lives in the event loop.

    Args:
        quota: The operator's.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota, self._stored = quota, quota.stored
        self._sizes: dict[_Key, int] = {}
        self._waiting: dict[Address, dict[_Key, int]] = {}
        self._held: Counter[Address] = Counter()
        self._total = 0

    @contextmanager
    def arriving(self, worker: Address) -> Iterator[Callable[[int], None]]:
        """Count a body while it comes; what is lent is told of each piece (bytes).

        It raises NoRoomForWorker or NoRoomLeft where the piece is too much.
        """
        size = 0

        def grow(more: int) -> None:
            nonlocal size
            self._check(worker, more)
            self._hold(worker, more)
            size += more

        try:
            yield grow
        finally:
            self._hold(worker, -size)

    def keep(self, archive: Archive, *, waits: bool) -> None:
        """Count an archive; ``waits`` tells that the chain has not decided for it yet."""
        self.remove(archive)
        key, size = _key(archive), archive.size
        self._sizes[key] = size
        self._total += size
        if waits:
            self._waiting.setdefault(archive.worker, {})[key] = size
            self._held[archive.worker] += size

    def remove(self, archive: Archive) -> None:
        """Count an archive no more; repeatable."""
        key, worker = _key(archive), archive.worker
        self._total -= self._sizes.pop(key, 0)
        waiting = self._waiting.get(worker, {})
        self._held[worker] -= waiting.pop(key, 0)
        self._forget(worker)

    def leave_some(self, free: int) -> None:
        """Bound what is stored by what the disk has free (bytes), unless the operator did."""
        if self._quota.stored is None:
            self._stored = self._total + free * 9 // 10

    def waiting_of(self, worker: Address) -> tuple[TaskId, ...]:
        """Return the tasks for which archives of a worker wait."""
        return tuple(dict.fromkeys(task for task, _, _ in self._waiting.get(worker, ())))

    def is_short(self, worker: Address, size: int) -> bool:
        """Tell whether ``size`` more bytes of a worker might be too many."""
        return self._held[worker] + size > self._quota.of_worker

    def _check(self, worker: Address, more: int) -> None:
        most, stored = self._quota.of_worker, self._stored
        if self._held[worker] + more > most:
            raise NoRoomForWorker(
                f"archives of worker {worker} that wait for the chain come to more than {most} "
                "bytes: it must settle their tasks first, or the service's operator allow more"
            )
        if stored is not None and self._total + more > stored:
            raise NoRoomLeft(
                f"the archives here come to more than {stored} bytes: the service's operator must "
                "allow more, or keep results for less long"
            )

    def _hold(self, worker: Address, size: int) -> None:
        self._held[worker] += size
        self._total += size
        self._forget(worker)

    def _forget(self, worker: Address) -> None:
        """Drop what is empty: workers come and go."""
        if not self._held[worker]:
            del self._held[worker]
        if not self._waiting.get(worker, True):
            del self._waiting[worker]


def _key(archive: Archive) -> _Key:
    return archive.task_id, archive.worker, archive.digest
