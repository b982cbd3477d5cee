"""Live progress: a table updated in place in a terminal, a line per change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from poolhand.cli.desk import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poolhand.requester.changes import Change
    from poolhand.requester.watching import Progress

SHOWN: Final = 12
"""Tasks in the live table; the others are counted."""


async def follow(
    desk: Desk, changes: AsyncGenerator[Change], standing: Callable[[], Progress]
) -> None:
    """Show what changes until all has ended.

    Each cause of a failure is said as soon as it is known, and that no worker is left for a task.

    Args:
        desk: Where it is shown.
        changes: As a session follows tasks.
        standing: Tells how the tasks stand, after each change.
    """
    async with aclosing(changes) as told:
        if desk.as_json or not sys.stdout.isatty():
            async for change in told:
                desk.note(str(change))
        else:
            await _lively(desk, told, standing)


async def _lively(
    desk: Desk, changes: AsyncGenerator[Change], standing: Callable[[], Progress]
) -> None:
    from rich.live import Live
    from rich.text import Text

    from poolhand.cli.render import replicates_table
    from poolhand.requester.watching import Progress

    with Live(console=desk.console, auto_refresh=False, transient=True) as live:
        async for change in changes:
            if change.is_bad:
                live.console.print(Text(str(change)))
            live.update(replicates_table(Progress(standing().tasks[:SHOWN])), refresh=True)
