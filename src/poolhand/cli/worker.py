"""``poolhand worker``: run a worker, and see what it does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import structlog
import typer
from rich.console import Console
from rich.table import Table

from poolhand.cli.programs import Ready, add_program
from poolhand.domain.errors import Refused, Unavailable
from poolhand.settings.load import Settings
from poolhand.settings.worker import OPTIONS, without_effect, worker_settings

app = typer.Typer(no_args_is_help=True, help="Run a worker and be paid for computing.")

DEFAULT_STATUS: Final = "http://127.0.0.1:13100"


class WorkerSilent(Unavailable):
    """No worker answers at the status page."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"no worker answers at {url}: start one with `poolhand worker start`, or name its "
            "status page with --url"
        )


async def _start(settings: Settings, ready: Ready) -> None:
    from poolhand.worker.main import run

    cpus = len(os.sched_getaffinity(0))
    for name in without_effect(os.environ):
        structlog.get_logger().warning(
            "setting_without_effect", name=name, cause="no TEE tasks yet"
        )
    await run(worker_settings(settings, os.environ, cpus), ready)


add_program(
    app,
    "start",
    OPTIONS,
    _start,
    """Work for a pool until stopped; a restart goes on where it was.

    Settings come from flags, the environment (names of iExec's worker), a file, and defaults, in
    this order; --show-config prints them.

    Example: poolhand worker start --core-url https://pool.example --pool-address 0x… \\
    --chain arbitrum --wallet ~/.ethereum/keystore/UTC--…

    Exit codes: 0 stopped, 2 a setting is wrong, 4 engine, chain or pool out of reach.
    """,
)


@app.command("status")
def status(
    url: Annotated[str, typer.Option(help="The worker's status page.")] = DEFAULT_STATUS,
    base: Annotated[
        Path | None, typer.Option(help="Or: the worker's folder, which knows its page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a worker does, and why it does nothing when it does nothing.

    Example: poolhand worker status --base .poolhand/workers/worker-1

    Exit codes: 0 answered, 4 no worker answers.
    """
    page = _page(base) if base else url
    try:
        answer = httpx.get(f"{page}/v1/status", timeout=5)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as fault:
        raise WorkerSilent(page) from fault
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        _print(told)


journal = typer.Typer(no_args_is_help=True, help="Mend a worker's journal.")
app.add_typer(journal, name="journal")


@journal.callback()
def about_journals() -> None:
    """Mend what a broken disk left of a journal."""


@journal.command("repair")
def repair_journal(
    path: Annotated[Path, typer.Argument(help="The journal, as the error message names it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Keep every good line of a damaged journal; the original is saved beside it.

    Example: poolhand worker journal repair ~/.poolhand/workers/worker/journal

    Exit codes: 0 mended (or nothing was wrong), 2 no such file, or a worker has it open.
    """
    from poolhand.store import repair

    if not path.is_file():
        raise NoJournal(path)
    report = repair(path)
    told = {
        "path": str(report.path),
        "saved": str(report.saved),
        "kept": report.kept,
        "dropped": list(report.dropped),
    }
    if as_json:
        print(json.dumps(told))
        return
    lost = ", ".join(map(str, report.dropped)) or "none"
    print(f"kept {report.kept} lines, dropped lines: {lost}; the original is {report.saved}")


class NoJournal(Refused):
    """The named journal is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no journal {path}: give the path that the error message named")


def _page(base: Path) -> str:
    try:
        return str(json.loads((base / "worker.json").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError) as fault:
        raise WorkerSilent(str(base)) from fault


def _print(told: dict[str, Any]) -> None:
    console = Console()
    state = "connected" if told["connected"] else f"not connected: {told['problem']}"
    console.print(f"[bold]{told['worker']}[/bold] in pool {told['workerpool']}: {state}")
    if told["paused"]:
        console.print(f"paused: {told['paused']}")
    table = Table("task", "status", "since", "who acts next", "next")
    for each in told["replicates"]:
        last = each["history"][-1]
        table.add_row(
            each["task_id"][:10] + "…",
            each["status"],
            str(last["at"]),
            each["acts"],
            last["detail"] or each["next_step"],
        )
    if told["replicates"]:
        console.print(table)
        return
    reasons = ", ".join(f"{reason} ({count} tasks)" for reason, count in told["idle"].items())
    console.print(f"no task now: {reasons or 'the pool has none for this worker'}")
