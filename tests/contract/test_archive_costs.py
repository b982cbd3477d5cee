"""What a question about settled tasks costs does not grow with how many there are: counted in steps."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool
from test_settled_archive import DEAL, OTHER, deal_of, keep, name_of, settled

from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import UnixSeconds
from poolhand.store.sql import SqlJournal

FEW, MANY, LATE = 200, 2_000, 10**9
QUESTIONS = {
    "a task": lambda archive, last: archive.task(name_of(last // 2)),
    "the newest": lambda archive, _: archive.tasks(None, None, 20),
    "the next": lambda archive, last: archive.tasks(None, name_of(last // 2), 20),
    "of a status": lambda archive, _: archive.tasks(TaskStatus.COMPLETED, None, 20),
    "a deal": lambda archive, _: archive.deal(DEAL),
    "lines of a deal": lambda archive, last: archive.lines(DEAL, last // 2, last // 2 + 20),
    "counts": lambda archive, _: archive.counts(),
    "nothing is old": lambda archive, _: archive.prune(UnixSeconds(1), 500),
    "some are old": lambda archive, _: archive.prune(UnixSeconds(200), 500),
}


class Steps:
    """Counts the steps of SQLite's machine."""

    def __init__(self):
        self.taken, self.connections = 0, []

    def connected(self, raw, _record):
        self.connections.append(raw)

    def _step(self):
        self.taken += 1
        return 0

    def of(self, work):
        self.taken = 0
        for raw in self.connections:
            raw.set_progress_handler(self._step, 1)
        work()
        for raw in self.connections:
            raw.set_progress_handler(None, 1)
        return self.taken


def steps_of(url, tasks):
    """Return what each question takes where a deal has so many tasks, and another has few."""
    steps = Steps()
    event.listen(Pool, "connect", steps.connected)
    try:
        journal = SqlJournal(url)
        old = [settled(tasks + n, deal=OTHER, deadline=100) for n in range(1, 10)]
        archive = keep(journal, *(settled(n, deadline=LATE) for n in range(1, tasks + 1)), *old)
        keep(journal, deal_of(), deal_of(OTHER))
        found = {
            name: steps.of(lambda ask=ask: ask(archive, tasks)) for name, ask in QUESTIONS.items()
        }
        journal.close()
    finally:
        event.remove(Pool, "connect", steps.connected)
    return found


@pytest.mark.timeout(600)
def test_ten_times_the_settled_tasks_are_no_more_work_for_a_question(tmp_path):
    few, many = (steps_of(f"sqlite:///{tmp_path}/{n}.db", n) for n in (FEW, MANY))
    assert {name: (few[name], n) for name, n in many.items() if n > 1.3 * few[name]} == {}
