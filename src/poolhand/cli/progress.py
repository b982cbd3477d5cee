"""Live progress: a table updated in place in a terminal, a line per change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from poolhand.cli.desk import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poolhand.requester.watching import Progress

SHOWN: Final = 12
"""Tasks in the live table; the others are counted."""


async def follow(desk: Desk, progress: AsyncGenerator[Progress]) -> Progress:
    """Show tasks until all have ended; return the last snapshot."""
    async with aclosing(progress) as snapshots:
        if desk.as_json or not sys.stdout.isatty():
            return await _plainly(desk, snapshots)
        return await _lively(desk, snapshots)


async def _lively(desk: Desk, snapshots: AsyncIterator[Progress]) -> Progress:
    from rich.live import Live

    from poolhand.cli.render import replicates_table
    from poolhand.requester.watching import Progress

    last = Progress(())
    with Live(console=desk.console, auto_refresh=False, transient=True) as live:
        async for last in snapshots:
            live.update(replicates_table(Progress(last.tasks[:SHOWN])), refresh=True)
    return last


async def _plainly(desk: Desk, snapshots: AsyncIterator[Progress]) -> Progress:
    from poolhand.requester.watching import Progress

    last, told = Progress(()), set[str]()
    async for last in snapshots:
        for line in _lines(last):
            if line not in told:
                told.add(line)
                desk.note(line)
    return last


def _lines(progress: Progress) -> list[str]:
    """Return what is so now, a line each; a line that was told is not repeated."""
    lines = []
    for task in progress.tasks:
        name = f"task {task.index}"
        replicates = task.news.replicates if task.news else ()
        lines += [f"{name}: worker {each.worker.short} {each.status}" for each in replicates]
        lines.append(f"{name}: {task.status}")
    return lines
