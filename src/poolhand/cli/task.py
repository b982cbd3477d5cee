"""``poolhand task``: how a task stands, its result, or its price back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolhand.cli.claiming import ClaimFlag, claim_members, claim_report, claim_watched
from poolhand.cli.command_run import CommandRun
from poolhand.cli.exits import NOT_COMPLETED
from poolhand.cli.lists import (
    BuyerArgument,
    ListBlocksOption,
    ListLimitOption,
    OpenFlag,
    PageOption,
    bought,
    listed_members,
    task_row_members,
    tasks_report,
)
from poolhand.cli.parts import TaskArgument
from poolhand.cli.progress import follow
from poolhand.cli.render import history_members, pairs
from poolhand.cli.timeline import logs_report, task_report
from poolhand.cli.verb import Answer, noun, verb

if TYPE_CHECKING:
    from poolhand.requester.claims import Claimed
    from poolhand.requester.history import TaskHistory
    from poolhand.requester.session import SessionTask

app = noun("Look at tasks, follow them, download results.")

FolderOption = Annotated[
    Path, typer.Option("--to", metavar="FOLDER", help="Where to; made when missing.")
]
JournalOption = Annotated[
    str,
    typer.Option(
        "--journal",
        metavar="FILE|URL",
        help="A pool's database (pool.db, or a URL), or `journal` of a worker's folder.",
    ),
]
OutputFollowFlag = Annotated[
    bool, typer.Option("--follow", help="Go on with what it prints, until it has ended.")
]
ExtractOption = Annotated[bool, typer.Option("--extract", help="Unpack it too.")]


@verb(app, "show", example=f"poolhand task show 0x{'2e' * 32}")
async def show(command: CommandRun, task_id: TaskArgument) -> Answer:
    """Show a task: each replicate's timeline, why it ended, and what stands on chain."""
    async with command.session() as session:
        found = await session.task(task_id).history()
    return _answer(command, found, exit_code=0)


@verb(app, "story", example=f"poolhand task story 0x{'2e' * 32}")
async def story(command: CommandRun, task_id: TaskArgument, journal: JournalOption = "") -> Answer:
    """Tell a task's story: the cause and the consequence of every step, in the order of time.

    Its pool and the chain tell it; or, with --journal, a pool's or a worker's own journal, of
    which a copy is read.
    """
    from poolhand.cli.story import journal_story, story_page, told_story

    silence = ""
    if journal:
        from poolhand.cli.debug import read_steps

        lines = journal_story(read_steps(journal, task_id))
    else:
        async with command.requester() as requester:
            progress = await requester.look_at_task(task_id)
            found = await requester.history(progress.tasks[0])
        lines, silence = told_story(found), found.silence
    members = {"task_id": str(task_id), "story": [each.members() for each in lines]}
    return Answer(members, lambda: story_page(lines, silence))


@verb(app, "list", example="poolhand task list --open")
async def list_(
    command: CommandRun,
    owner: BuyerArgument = "",
    open_: OpenFlag = False,
    limit: ListLimitOption = 20,
    page: PageOption = 1,
    blocks: ListBlocksOption = 100_000,
) -> Answer:
    """List the tasks that you bought, newest deals first, and how they stand on chain."""
    found = await bought(command, owner, limit * page, blocks, only_open=open_)
    every = [task for deal in found.deals for task in deal.tasks if task.is_open or not open_]
    tasks = every[limit * (page - 1) : limit * page]
    members = listed_members(found, "tasks", [task_row_members(each) for each in tasks], page)
    return Answer(members, lambda: tasks_report(found, tasks))


@verb(app, "watch", example=f"poolhand task watch 0x{'2e' * 32}")
async def watch(command: CommandRun, task_id: TaskArgument, claim: ClaimFlag = True) -> Answer:
    """Follow a task to its end, live; ends with code 1 when it did not complete.

    If it runs out of time its price is claimed back, if the wallet's password is at hand.
    """
    command.farewell = f"the task goes on: `poolhand task watch {task_id}`"
    async with command.session() as session:
        task = session.task(task_id)
        await follow(command, task.follow(), lambda: task.standing)
        claimed = (
            await claim_watched(command, task.standing, f"poolhand task claim {task.id}")
            if claim
            else None
        )
        if claimed is not None:
            await task.look_again()
        found = await task.history()
    code = 0 if task.standing.succeeded else NOT_COMPLETED
    return _answer(command, found, code, claimed)


@verb(app, "download", example=f"poolhand task download 0x{'2e' * 32} --to results --extract")
async def download(
    command: CommandRun,
    task_id: TaskArgument,
    to: FolderOption = Path(),
    extract: ExtractOption = False,
) -> Answer:
    """Download a result and check it against the digest on chain."""
    async with command.session() as session:
        result = await session.task(task_id).download(to, unpack=extract)
    members = {
        "task_id": str(task_id),
        "result_digest": str(result.digest),
        "result_path": str(result.archive.resolve()),
        "folder": str(result.folder.resolve()) if result.folder else None,
        "encrypted": result.encrypted,
    }
    if result.encrypted:
        command.note(
            f"it is encrypted to its beneficiary: `poolhand results decrypt {result.archive}`"
        )
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "logs", example=f"poolhand task logs 0x{'2e' * 32} --follow")
async def logs(
    command: CommandRun, task_id: TaskArgument, follow_: OutputFollowFlag = False
) -> Answer:
    """Show what the app printed on each worker, or with --follow what it prints as it comes.

    It is yours alone, and your wallet signs a message for it, unless the pool publishes logs. With
    --json and --follow each event is a line of JSON. A result has the output of the worker that
    computed it, as stdout.txt and stderr.txt.
    """
    from poolhand.requester.output import OutputNotYours

    if follow_:
        command.farewell = f"the task goes on: `poolhand task logs {task_id} --follow`"
    show = _followed if follow_ else _printed
    try:
        async with command.session() as session:
            return await show(command, session.task(task_id))
    except OutputNotYours:  # then it is signed for
        async with command.session(signing=True) as session:
            return await show(command, session.task(task_id))


async def _printed(command: CommandRun, task: SessionTask) -> Answer:
    del command
    found = await task.logs()
    members = {
        "task_id": str(task.id),
        "logs": [
            {"worker": str(worker), "stdout": out, "stderr": err}
            for worker, (out, err) in found.items()
        ],
    }
    return Answer(members, lambda: logs_report(found))


async def _followed(command: CommandRun, task: SessionTask) -> Answer:
    from poolhand.cli.following import OutputPrinter, print_output

    printer = OutputPrinter(command)
    await print_output(command, task.output(), printer)
    members = {"task_id": str(task.id), "kind": "end"}
    return Answer(members, lambda: f"task {task.id} has ended")


@verb(app, "claim", example=f"poolhand task claim 0x{'2e' * 32}")
async def claim(command: CommandRun, task_id: TaskArgument) -> Answer:
    """Get the price of an unfinished task back, after its final deadline.

    It is no error if the pool, or anybody else, has claimed it before.
    """
    async with command.session(signing=True) as session:
        claimed = await session.task(task_id).claim()
    members = {"task_id": str(task_id), **claim_members(claimed)}
    return Answer(members, lambda: claim_report(claimed))


def _answer(
    command: CommandRun, found: TaskHistory, exit_code: int, claimed: Claimed | None = None
) -> Answer:
    members = history_members(found)
    if claimed is not None:
        members["claim"] = claim_members(claimed)
    return Answer(
        members, lambda: task_report(found, lively=command.console.is_terminal), exit_code
    )
