"""Live progress: a table updated in place in a terminal, a line per change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from poolhand.cli.desk import Desk
from poolhand.domain.text import shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poolhand.domain.deal import Deal
    from poolhand.requester.watching import Progress

SHOWN: Final = 12
"""Tasks in the live table; the others are counted."""


async def follow(
    desk: Desk, progress: AsyncGenerator[Progress], deal: Deal | None = None
) -> Progress:
    """Show tasks until all have ended; return the last snapshot.

    Each cause of a failure is said as soon as it is known, and that no worker is left for a task,
    with when its price (of ``deal``, if that is known) comes back.
    """
    async with aclosing(progress) as snapshots:
        if desk.as_json or not sys.stdout.isatty():
            return await _plainly(desk, snapshots, deal)
        return await _lively(desk, snapshots, deal)


async def _lively(desk: Desk, snapshots: AsyncIterator[Progress], deal: Deal | None) -> Progress:
    from rich.live import Live
    from rich.text import Text

    from poolhand.cli.render import replicates_table
    from poolhand.requester.watching import Progress

    last, told = Progress(()), set[str]()
    with Live(console=desk.console, auto_refresh=False, transient=True) as live:
        async for last in snapshots:
            for line in _new(_bad_news(last, deal), told):
                live.console.print(Text(line))
            live.update(replicates_table(Progress(last.tasks[:SHOWN])), refresh=True)
    return last


async def _plainly(desk: Desk, snapshots: AsyncIterator[Progress], deal: Deal | None) -> Progress:
    from poolhand.requester.watching import Progress

    last, told = Progress(()), set[str]()
    async for last in snapshots:
        for line in _new([*_lines(last), *_bad_news(last, deal)], told):
            desk.note(line)
    return last


def _new(lines: Iterable[str], told: set[str]) -> Iterator[str]:
    """Yield the lines that were not told yet."""
    for line in lines:
        if line not in told:
            told.add(line)
            yield line


def _bad_news(progress: Progress, deal: Deal | None) -> list[str]:
    """Return why workers failed, and of which tasks no worker is left."""
    from poolhand.cli.causes import causes, nobody_left

    lines = []
    for task in progress.tasks:
        for cause in causes(task):
            for worker in cause.workers:
                why = f"task {task.index}: worker {worker} {cause.status}: {cause.why}"
                lines.append(shown(f"{why} (next: {cause.acts}: {cause.next_step})"))
        if task.nobody_left:
            lines.append(nobody_left(task, deal))
    return lines


def _lines(progress: Progress) -> list[str]:
    """Return what is so now, a line each; a line that was told is not repeated."""
    lines = []
    for task in progress.tasks:
        name = f"task {task.index}"
        replicates = task.news.replicates if task.news else ()
        lines += [f"{name}: worker {each.worker.short} {each.status}" for each in replicates]
        lines.append(f"{name}: {task.status}")
    return lines
