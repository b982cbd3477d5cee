"""What a worker that is to be taken away still owes: its journal may be all that can save a stake.

A worker that answers is drained. One that does not is looked at from outside: whether it runs all
the same, and what stands in its journal, of which a copy is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from poolhand.cli.join_folder import JoinFolder
from poolhand.domain.errors import PoolhandError, Refused, Unavailable
from poolhand.domain.gas_reserve import owes_reveal
from poolhand.keys.lock import held_by
from poolhand.store.section import Section
from poolhand.store.snapshot import NothingToRead, snapshot
from poolhand.worker.pid_file import read
from poolhand.worker.stories import Story, read_stories

MOST_TASKS_NAMED: Final = 5
"""Tasks that are named."""


class WorkerUnanswering(Unavailable):
    """The worker runs, or may, and its page does not answer: it cannot be drained.

    Args:
        seen: By what that is known, a clause.
    """

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{seen}, and the worker's status page does not answer, so it cannot be told to "
            "finish: nothing was removed; wait, or end that process, and give the same command "
            "again"
        )


class WorkerOwes(Refused):
    """The worker does not run, and has not finished what it accepted."""

    def __init__(self, url: str, journal: Path, owed: str) -> None:
        super().__init__(
            f"the worker does not run, and {owed}; no file of it was removed. Start it with "
            f"`poolhand join {url}`, then give this command again: it finishes, and is taken away. "
            f"Whoever gives up what that may cost, stake too, removes {journal} first"
        )


def check_stopped(folder: JoinFolder, locks: Path, url: str) -> None:
    """Check that a worker whose page does not answer may be taken away.

    Args:
        folder: Of the pool that was joined.
        locks: Where locks of wallets lie.
        url: Of the pool.

    Raises:
        WorkerUnanswering: It runs, or some program holds its wallet, which may be it.
        WorkerOwes: Its journal tells of a task that is not over, or does not read.
    """
    pid_file, wallet = read(folder.worker), folder.wallet()
    if pid_file is not None and pid_file.is_running:
        raise WorkerUnanswering(f"the worker runs (process {pid_file.pid})")
    held = None if wallet is None else held_by(locks, wallet)
    if held is not None:
        verb = f" (`poolhand {held.verb}`)" if held.verb else ""
        raise WorkerUnanswering(f"process {held.holder}{verb} holds wallet {wallet}")
    journal = folder.worker / "journal"
    if owed := _owed(journal):
        raise WorkerOwes(url, journal, owed)


def _owed(path: Path) -> str:
    """Say what a journal tells of tasks that are not over; empty where there are none."""
    try:
        with snapshot(path) as journal:
            told = list(_open_tasks(Section(journal, "task")))
    except NothingToRead:
        return ""
    except (PoolhandError, OSError) as fault:
        return f"what it owes is not known, for its journal cannot be read ({fault})"
    if not told:
        return ""
    more = f", and {len(told) - MOST_TASKS_NAMED} more" if len(told) > MOST_TASKS_NAMED else ""
    return f"its journal tells of {len(told)} not over: {', '.join(told[:MOST_TASKS_NAMED])}{more}"


def _open_tasks(journal: Section) -> Iterator[str]:
    for story in read_stories(journal):
        words = _words(story)
        if words:
            yield f"task {story.task_id or story.stream} ({words})"


def _words(story: Story) -> str:
    """Say why a worker is still needed for a replicate; empty where it is not."""
    replicate = story.replicate
    if story.fault is not None or replicate is None:
        return "its records do not read"
    if owes_reveal(replicate):
        return f"{replicate.status}, its reveal is owed"
    if not replicate.is_over:
        return str(replicate.status)
    if replicate.is_watched:
        return f"{replicate.status}, and the chain may yet take that back"
    return ""
