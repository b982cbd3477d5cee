"""``poolhand task``: how a task stands, its result, or its price back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolhand.cli.desk import Desk
from poolhand.cli.exits import NOT_COMPLETED
from poolhand.cli.parts import TaskArgument
from poolhand.cli.progress import follow
from poolhand.cli.render import pairs, receipt_members, receipt_row, task_members, task_report
from poolhand.cli.verb import Answer, noun, verb

if TYPE_CHECKING:
    from poolhand.requester.watching import Progress

app = noun("Look at tasks, follow them, download results.")

FolderOption = Annotated[
    Path, typer.Option("--to", metavar="FOLDER", help="Where to; made when missing.")
]
ExtractOption = Annotated[bool, typer.Option("--extract", help="Unpack it too.")]


@verb(app, "show", example=f"poolhand task show 0x{'2e' * 32}")
async def show(desk: Desk, task_id: TaskArgument) -> Answer:
    """Show a task: chain, replicates with their histories, transactions."""
    async with desk.requester() as requester:
        progress = await requester.look_at_task(task_id)
    return _answer(progress, exit_code=0)


@verb(app, "watch", example=f"poolhand task watch 0x{'2e' * 32}")
async def watch(desk: Desk, task_id: TaskArgument) -> Answer:
    """Follow a task to its end, live; ends with code 1 when it did not complete."""
    desk.farewell = f"the task goes on: `poolhand task watch {task_id}`"
    async with desk.requester() as requester:
        progress = await follow(desk, requester.watch.follow({task_id: 0}))
    return _answer(progress, exit_code=0 if progress.succeeded else NOT_COMPLETED)


@verb(app, "download", example=f"poolhand task download 0x{'2e' * 32} --to results --extract")
async def download(
    desk: Desk, task_id: TaskArgument, to: FolderOption = Path(), extract: ExtractOption = False
) -> Answer:
    """Download a result and check it against the digest on chain."""
    async with desk.requester() as requester:
        result = await requester.download(task_id, to, unpack=extract)
    members = {
        "task_id": str(task_id),
        "result_digest": str(result.digest),
        "result_path": str(result.archive.resolve()),
        "folder": str(result.folder.resolve()) if result.folder else None,
    }
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "claim", example=f"poolhand task claim 0x{'2e' * 32}")
async def claim(desk: Desk, task_id: TaskArgument) -> Answer:
    """Get the price of an unfinished task back, after its final deadline."""
    async with desk.requester(signing=True) as requester:
        receipt = await requester.claim_task(task_id)
    return Answer(
        {"task_id": str(task_id), "transaction": receipt_members(receipt)},
        lambda: pairs((("claimed", task_id), ("transaction", receipt_row(receipt)))),
    )


def _answer(progress: Progress, exit_code: int) -> Answer:
    task = progress.tasks[0]
    return Answer(task_members(task), lambda: task_report(task), exit_code)
