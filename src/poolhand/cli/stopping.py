"""``poolhand worker stop``: drain and watch, or end at once when the operator knows the price."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

import typer

from poolhand.cli.exits import INTERRUPTED, NOT_COMPLETED
from poolhand.cli.interrupts import noted_interrupts
from poolhand.cli.render import moment
from poolhand.cli.saying import say
from poolhand.cli.terminal import Console
from poolhand.cli.worker_page import Page, WorkerSilent
from poolhand.cli.worker_report import held_table, stakes, stakes_table
from poolhand.domain.errors import Refused, Unavailable

PAUSE_BETWEEN_WORKER_LOOKS: Final = 0.5
"""Seconds between two looks at a worker that drains."""


class NotConfirmed(Refused):
    """Stopping at once was not confirmed, and there is nobody to ask."""

    def __init__(self) -> None:
        super().__init__(
            "stopping at once may cost stake, and there is no terminal to ask at: say --yes, or "
            "leave --now out and the worker finishes first"
        )


class WorkerHangs(Unavailable):
    """The worker took the order and does not end."""

    def __init__(self, url: str) -> None:
        super().__init__(f"the worker at {url} was told to stop and its process still runs: wait")


class DrainTakenBack(Refused):
    """Somebody resumed the worker while it was finishing."""

    def __init__(self) -> None:
        super().__init__("the worker was resumed meanwhile and does not stop")


def drain(page: Page, *, as_json: bool) -> None:
    """Let the worker finish, show what it still holds, and return when it is gone.

    Raises:
        NoToken, WorkerSilent, WorkerHangs: As they say.
    """
    console = Console(stderr=True)
    page.order("drain")
    try:
        _watch(page, console)
    except KeyboardInterrupt:
        console.print(
            "the worker goes on finishing and then ends; `poolhand worker resume` takes it back"
        )
        raise typer.Exit(INTERRUPTED) from None
    _told(
        as_json, {"stopped": True, "now": False}, "the worker held nothing any more and has ended"
    )


def _watch(page: Page, console: Console) -> None:
    """Show what is held whenever it changes, until the worker is gone."""
    shown: list[tuple[str, str]] | None = None
    with noted_interrupts() as check:
        while True:
            shown = _look(page, console, shown)
            if shown is None:
                return
            check()
            time.sleep(PAUSE_BETWEEN_WORKER_LOOKS)


def _look(
    page: Page, console: Console, shown: list[tuple[str, str]] | None
) -> list[tuple[str, str]] | None:
    """Show what is held if that is not ``shown`` yet, and return it; None: the worker is gone."""
    try:
        told = page.status()
    except WorkerSilent:
        if not page.await_end():
            raise WorkerHangs(page.url) from None
        return None
    if not told["draining"]:
        raise DrainTakenBack
    held = [(each["task_id"], each["status"]) for each in told["replicates"]]
    if held != shown:
        console.print(f"{len(held)} still held" if held else "nothing held, ending")
        if held:
            console.print(held_table(told["replicates"]))
    return held


def stop_now(page: Page, *, yes: bool, as_json: bool) -> None:
    """Say what is at stake, ask, and end the worker at once.

    Raises:
        NotConfirmed: There is nobody to ask.
        NoToken, WorkerSilent, WorkerHangs: As they say.
    """
    console, rows = Console(stderr=True), stakes(page.status())
    console.print(stakes_table(rows) if rows else "nothing is held: nothing is at stake")
    if rows:
        console.print(_advice(rows))
    if not yes:
        _ask()
    page.order("stop")
    if not page.await_end():
        raise WorkerHangs(page.url)
    _told(
        as_json,
        {"stopped": True, "now": True, "at_stake": rows},
        "the worker has ended; its journal and results are kept",
    )


def _advice(rows: list[dict[str, Any]]) -> str:
    due = [each["reveal_by"] for each in rows if each["reveal_by"]]
    if due:
        return f"a restart before {moment(min(due))} saves the stake: the journal keeps everything"
    return "a restart before the deadline to reveal saves the stake: the journal keeps everything"


def _ask() -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed
    if not typer.confirm("stop now?", err=True):
        raise typer.Exit(NOT_COMPLETED)


def _told(as_json: bool, members: dict[str, Any], sentence: str) -> None:
    if as_json:
        print(json.dumps(members, indent=2))
    else:
        say(sentence, on_output=True)
