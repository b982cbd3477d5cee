"""``poolhand debug``: looking into a journal without touching it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.exits import NOT_REPLAYED
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.errors import Refused
from poolhand.domain.ids import TaskId

if TYPE_CHECKING:
    from poolhand.cli.replay import ReplayStep

app = noun("Look into the journal of a pool or a worker.")

JournalArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOURNAL",
        help="A pool's database (pool.db, or the URL of one of PostgreSQL), or the file `journal` "
        "in a worker's folder.",
    ),
]
UntilOption = Annotated[
    int, typer.Option("--until", metavar="N", min=0, help="Stop after event number N. [the end]")
]
OneTaskOption = Annotated[
    str, typer.Option("--task", metavar="TASK_ID", help="Only this task's events.")
]


DetailsFlag = Annotated[
    bool, typer.Option("--details", help="Tell each event in full, with what it asks for.")
]


class NotInJournal(Refused):
    """The journal tells nothing of a task."""

    def __init__(self, task_id: TaskId, where: str) -> None:
        super().__init__(
            f"journal {where} tells nothing of task {task_id}: it was never given here, or it "
            "is settled and was forgotten; `poolhand task show` asks pool and chain"
        )


@verb(app, "replay", example="poolhand debug replay pool.db --until 100", local=True)
def replay(
    command: CommandRun,
    journal: JournalArgument,
    until: UntilOption = 0,
    task: OneTaskOption = "",
    details: DetailsFlag = False,
) -> Answer:
    """Step through a journal: a line for each event, with the state that it leads to.

    A copy is read: the original is not locked or changed, and nothing that is asked for is done.
    With --until or --task the state after the last event is shown whole. Long bytes, such as
    signed transactions, are shortened; --json has them whole.
    """
    del command
    from poolhand.cli.replay import step_members
    from poolhand.cli.replay_page import replay_report

    only = TaskId.parse(task) if task else None
    steps = read_steps(journal, only, until)
    broken = any(step.fault is not None for step in steps)
    return Answer(
        {"journal": shown(journal), "steps": [step_members(step) for step in steps]},
        lambda: replay_report(steps, details=details, whole_state=bool(until or task)),
        NOT_REPLAYED if broken else 0,
    )


def shown(where: str) -> str:
    """Return where a journal is, without the password of a URL."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", where)


def read_steps(where: str, only: TaskId | None, until: int = 0) -> list[ReplayStep]:
    """Replay a journal up to an event (0: to its end), and keep one task's steps, or all.

    Raises:
        NothingToRead, JournalCorrupt, JournalTooNew, JournalUnreadable: It does not open, or does
            not read.
        NotInJournal: It tells nothing of the task.
    """
    from itertools import islice

    from poolhand import observe
    from poolhand.cli.replay import Replay
    from poolhand.store.snapshot import snapshot_of

    observe.configure(level="error")
    with snapshot_of(where) as opened:
        records = islice(opened.read(), until or None)
        steps = [step for step in Replay().steps(records) if only is None or step.task_id == only]
    if only is not None and not steps:
        raise NotInJournal(only, shown(where))
    return steps
