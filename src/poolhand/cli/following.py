"""What tasks print, on the terminal, as it comes: lines on standard output, all else beside."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.command_run import CommandRun
from poolhand.cli.saying import say_app_line
from poolhand.domain.app_lines import without_colours
from poolhand.domain.errors import PoolhandError
from poolhand.domain.text import shown
from poolhand.domain.units import MIB
from poolhand.wire.output_api import NewsKind, OutputNews, OutputProgress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from poolhand.domain.ids import TaskId
    from poolhand.requester.session import SessionDeal

MOST_PROGRESS_LINES: Final = 10
"""Of one worker: told with each tenth that its app says is done; else once, at the beginning."""
PULLED_BETWEEN_NOTES: Final = 8 * MIB
"""Bytes of an image that come before more of it is told; of a large one a quarter of what came."""

OUTPUT_AFTER_END: Final = 5.0
"""Seconds that the last lines of a task that has ended are waited for."""


class OutputPrinter:
    """Prints what comes.

    Args:
        command: Says what is no line of an app's.
        label: Put before each line, with its worker's where there are several.
        on_output: Whether lines go to standard output; else they are said like all the rest.

    Attributes:
        lines, left_out: How many were printed, and lost.
    """

    def __init__(self, command: CommandRun, label: str = "", *, on_output: bool = True) -> None:
        self._command, self._label, self._on_output = command, label, on_output
        self._workers = list[object]()
        self._shares: dict[object, int] = {}
        self._pulled: dict[object, int] = {}
        self.lines = self.left_out = 0
        self._keeps_colours = on_output and sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def show(self, news: OutputNews) -> None:
        """Print one event."""
        if news.worker is not None and news.worker not in self._workers:
            self._workers.append(news.worker)
        whose = self._whose(news)
        match news.kind:
            case NewsKind.LINES:
                self._print(news, whose)
            case NewsKind.PRINTED:
                for text, is_error in ((news.stdout, False), (news.stderr, True)):
                    for line in text.splitlines():
                        self._line(whose + shown(line), is_error=is_error)
            case NewsKind.PROGRESS if news.progress is not None:
                self._progress(news.progress, news.worker, whose)
            case NewsKind.SILENT:
                self._command.note(f"{whose}{news.because}")

    def _whose(self, news: OutputNews) -> str:
        """Return what stands before a line: the worker, once there is more than one."""
        number = self._workers.index(news.worker) + 1 if news.worker in self._workers else 0
        worker = f"{str(news.worker)[:8]} " if len(self._workers) > 1 and number else ""
        return f"{self._label}{worker}" + ("| " if self._label or worker else "")

    def _print(self, news: OutputNews, whose: str) -> None:
        if news.left_out:
            self.left_out += news.left_out
            self._command.note(f"{whose}[{news.left_out} lines left out]")
        for line in news.lines:
            self.lines += 1
            end = "\x1b[0m" if self._keeps_colours and "\x1b" in line.text else ""
            text = line.text + end if self._keeps_colours else without_colours(line.text)
            self._line(whose + text, is_error=line.is_error)

    def _line(self, text: str, *, is_error: bool) -> None:
        on_output = self._on_output and not is_error
        say_app_line(text, on_output=on_output, colours=self._keeps_colours and on_output)

    def _progress(self, found: OutputProgress, worker: object, whose: str) -> None:
        """Say how far it is, each time that another tenth is done, and the first time.

        Of an image that is pulled each time that some more of it has come.
        """
        if found.pulled is not None:
            if found.pulled >= self._pulled.get(worker, 0):
                more = max(PULLED_BETWEEN_NOTES, found.pulled // 4)
                self._pulled[worker] = found.pulled + more
                self._command.note(f"{whose}{progress_told(found)}")
            return
        share = -1 if found.fraction is None else int(found.fraction * MOST_PROGRESS_LINES)
        if self._shares.get(worker) != share:
            self._shares[worker] = share
            self._command.note(f"{whose}{progress_told(found)}")


def progress_told(found: OutputProgress) -> str:
    """Say how far a task is."""
    if found.pulled is not None:
        return f"its image is pulled: {found.pulled / MIB:.1f} MiB have come"
    done = "" if found.fraction is None else f"{found.fraction:.0%} "
    words = f"{done}{found.words}".strip()
    came = f"{found.downloaded / MIB:.1f} MiB of data, " if found.downloaded else ""
    used = (
        f"[{came}{found.memory / MIB:.0f} MiB of memory, {found.cpu_ms / 1000:.1f} s of processor, "
        f"{found.processes} processes]"
    )
    return f"{words} {used}" if words else used


async def print_output(
    command: CommandRun, output: AsyncGenerator[OutputNews], printer: OutputPrinter
) -> None:
    """Print what one task prints until it has ended; with ``--json`` each event as it is."""
    async with aclosing(output) as told:
        async for news in told:
            if command.as_json:
                print(json.dumps(members_of(news)), flush=True)
            else:
                printer.show(news)


def members_of(news: OutputNews) -> dict[str, Any]:
    """Return an event for a program."""
    return news.model_dump(mode="json", exclude_defaults=True)


async def follow_tasks(
    command: CommandRun, outputs: dict[TaskId, Callable[[], AsyncGenerator[OutputNews]]]
) -> None:
    """Say what the tasks of a deal print, each with its place where there are several."""
    from poolhand.client.handles import merged

    several = len(outputs) > 1
    printers = {
        name: OutputPrinter(command, f"{place} " if several else "", on_output=not command.as_json)
        for place, name in enumerate(outputs)
    }
    async with aclosing(merged(outputs)) as told:
        async for name, news in told:
            printers[name].show(news)


@asynccontextmanager
async def output_shown(command: CommandRun, deal: SessionDeal) -> AsyncIterator[None]:
    """Show what a deal's tasks print while the block lasts, and what is on its way at its end."""
    printing = asyncio.create_task(follow_tasks(command, deal.outputs()))
    try:
        yield
        await asyncio.wait({printing}, timeout=OUTPUT_AFTER_END)
    finally:
        printing.cancel()
        (fault,) = await asyncio.gather(printing, return_exceptions=True)
        if isinstance(fault, Exception):  # a purchase goes on whatever comes of the showing
            said = (
                str(fault) if isinstance(fault, PoolhandError) else f"Poolhand's fault: {fault!r}"
            )
            command.note(f"what the app prints cannot be shown: {said}")
