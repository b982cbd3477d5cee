"""Live progress: a table updated in place in a terminal, a line per change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from poolhand.cli.command_run import CommandRun

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poolhand.requester.changes import Change
    from poolhand.requester.watching import Progress

TASKS_IN_TABLE: Final = 12
"""Tasks in the live table; the others are counted."""


async def follow(
    command: CommandRun,
    changes: AsyncGenerator[Change],
    standing: Callable[[], Progress],
    *,
    lively: bool = True,
) -> None:
    """Show what changes until all has ended.

    Each cause of a failure is said as soon as it is known, and that no worker is left for a task.

    Args:
        command: Where it is shown.
        changes: As a session follows tasks.
        standing: Tells how the tasks stand, after each change.
        lively: Whether a table may be drawn; not beside what apps print.
    """
    async with aclosing(changes) as told:
        if command.as_json or not lively or not sys.stdout.isatty():
            async for change in told:
                command.note(str(change))
        else:
            await _lively(command, told, standing)


async def _lively(
    command: CommandRun, changes: AsyncGenerator[Change], standing: Callable[[], Progress]
) -> None:
    from rich.live import Live
    from rich.text import Text

    from poolhand.cli.render import replicates_table
    from poolhand.requester.watching import Progress

    with Live(console=command.console, auto_refresh=False, transient=True) as live:
        async for change in changes:
            if change.is_bad:
                live.console.print(Text(str(change)))
            live.update(replicates_table(Progress(standing().tasks[:TASKS_IN_TABLE])), refresh=True)
