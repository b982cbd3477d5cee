"""Claims by hand and by itself: what is told of them, and when a watch makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.domain.errors import Bug, PoolhandError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rich.console import RenderableType

    from poolhand.domain.deal import Deal
    from poolhand.requester.claims import Claimed
    from poolhand.requester.watching import Progress, TaskProgress

ClaimFlag = Annotated[
    bool,
    typer.Option("--claim/--no-claim", help="Claim what is unfinished after its final deadline."),
]


def claim_members(claimed: Claimed) -> dict[str, Any]:
    """Return what came of a claim."""
    from poolhand.cli.render import receipt_members

    return {
        "claimed": [str(each) for each in claimed.tasks],
        "ended_before": {str(each): end.name for each, end in (claimed.ended or {}).items()},
        "transactions": [receipt_members(each) for each in claimed.receipts],
    }


def claim_report(claimed: Claimed) -> RenderableType:
    """Return what came of a claim, for a person."""
    from rich.console import Group

    from poolhand.cli.render import coloured, grid, pairs, receipt_row

    rows = [(coloured("CLAIMED"), each) for each in claimed.tasks]
    rows += [(coloured(end.name), each) for each, end in (claimed.ended or {}).items()]
    if not rows:
        return "nothing to claim: no task is past its final deadline without an end"
    parts: list[RenderableType] = [grid(("task", ""), rows)]
    if claimed.receipts:
        sent = (("transaction", receipt_row(each)) for each in claimed.receipts)
        parts += ["", pairs(sent)]
    elif not claimed.tasks:
        parts.append("\nnothing is left to claim")
    return Group(*parts)


def late(progress: Progress) -> list[TaskProgress]:
    """Return the tasks that ran out of time and that nobody has claimed yet."""
    from poolhand.requester.watching import Outcome

    return [task for task in progress.tasks if task.outcome is Outcome.TIMED_OUT]


async def claim_by_itself(
    command: CommandRun, progress: Progress, by_hand: str, act: Callable[[], Awaitable[Claimed]]
) -> Claimed | None:
    """Claim what a watch saw run out of time, and say so; None when nothing was, or could be.

    A claim that fails costs nothing and ends no watch: how to repeat it (``by_hand``) is told.
    """
    tasks = late(progress)
    if not tasks:
        return None
    command.note(f"the final deadline of {len(tasks)} task(s) has passed: claiming the price back")
    try:
        claimed = await act()
    except Bug:
        raise
    except PoolhandError as fault:
        command.note(f"not claimed ({fault}): repeat it with `{by_hand}`")
        return None
    for receipt in claimed.receipts:
        command.note(f"transaction {receipt.tx_hash} in block {receipt.block}")
    command.note(f"claimed {len(claimed.tasks)} task(s); {_others(claimed)}")
    return claimed


async def claim_watched(
    command: CommandRun, progress: Progress, by_hand: str, deal: Deal | None = None
) -> Claimed | None:
    """Do the same for a watch that had no wallet: one is opened only now, if there is one.

    Args:
        command: Whose wallet claims.
        progress: Of what was watched.
        by_hand: The command that claims it.
        deal: Of the tasks, when all are of one.
    """
    if late(progress) and not command.can_sign:
        command.note(f"no wallet is known here to claim it with: `{by_hand}`")
        return None

    async def act() -> Claimed:
        async with command.requester(signing=True) as requester:
            return await requester.claim_late(progress, deal)

    return await claim_by_itself(command, progress, by_hand, act)


def _others(claimed: Claimed) -> str:
    count = len(claimed.ended or {})
    return f"{count} had been ended by others" if count else "everybody is refunded"
