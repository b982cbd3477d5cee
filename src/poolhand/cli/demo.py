"""``poolhand demo``: watch two real computations travel a whole network."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from poolhand.cli.devnet import start_in_background, stop
from poolhand.cli.plain import JsonFlag, Noun
from poolhand.devnet.info import DevnetInfo, NoDevnet, devnet_home

app = Noun()


@app.command("demo")
def demo(
    workers: Annotated[int, typer.Option(min=4, max=16, help="Workers of the devnet.")] = 4,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the devnet running afterwards.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a task with trust 10 (4 replicates) and one with trust 1, and show what came of them.

    Both are bought in the market, in which the pool sells itself.

    Uses the running devnet, or starts one and stops it at the end; its state is kept in
    $POOLHAND_HOME (or ./.poolhand), so that `poolhand devnet up` shows the same chain again.

    Example: poolhand demo --json

    Exit codes: 0 both tasks completed, 4 something is missing or did not start, 1 a task failed.
    """
    from poolhand import observe
    from poolhand.cli.demo_page import print_report, watched
    from poolhand.cli.terminal import Console

    observe.configure(level="warning", sentences=True)
    home, console = devnet_home(), Console(stderr=True, markup=True)
    started = time.monotonic()
    was_running = _is_running(home)
    if not was_running:
        console.print(
            "· starting a devnet: Anvil, contracts, registry, market, matcher, results, pool"
        )
        start_in_background(home, workers, 1)
    try:
        report = watched(home, console)
    finally:
        if not was_running and not keep:
            console.print("· stopping the devnet (its state is kept)")
            stop(home)
    if as_json:
        print(json.dumps(report.dump(), indent=2))
    else:
        print_report(report, Console(markup=True), time.monotonic() - started)
    if not all(task.members["status"] == "COMPLETED" for task in report.tasks):
        raise typer.Exit(1)


def _is_running(home: Path) -> bool:
    try:
        DevnetInfo.read(home)
    except NoDevnet:
        return False
    return True
