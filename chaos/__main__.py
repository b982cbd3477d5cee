"""``make chaos``: strike a real network at every status boundary, and see that nothing is lost.

Exit codes: 0 every cell that ran is good, 1 one is not (or none ran), 2 a wrong option.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from chaos.arena import arena
from chaos.board import Board
from chaos.matrix import Cell, all_cells, chosen, fixed, sample, shuffled
from chaos.trial import Found, Trials
from poolhand import observe

HERE = Path(__file__).parent
LATEST = HERE / "latest.json"
STORIES = HERE.parent / ".poolhand" / "chaos"
LIFE = "tests/network/test_any_life.py"
CELL_SECONDS = 8.0
"""Of one cell on two cores, about."""
LIVES = 500
Result = TypeVar("Result")
"""Lives of the simulated network in the last stage."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, help="repeat the order and the choices of a run")
    parser.add_argument("--only", default="", help="words of cells, such as worker,kill,COMPUTING")
    parser.add_argument("--minutes", type=float, help="a sample by chance that takes about so long")
    parser.add_argument("--fixed", action="store_true", help="the smaller set of `make test`")
    parser.add_argument("--lives", type=int, help=f"lives of the simulated network [{LIVES}]")
    parser.add_argument("--list", action="store_true", help="print the cells, and run nothing")
    given = parser.parse_args()
    given.seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    try:
        given.cells = choose(given)
    except ValueError as fault:
        parser.error(str(fault))
    if given.lives is None:
        given.lives = 0 if given.only or given.fixed or given.minutes else LIVES
    return given


def choose(given: argparse.Namespace) -> tuple[Cell, ...]:
    cells = chosen(fixed() if given.fixed else all_cells(), given.only)
    if given.minutes is not None:
        cells = sample(cells, given.seed, max(1, round(given.minutes * 60 / CELL_SECONDS)))
    return shuffled(cells, given.seed)


async def play(given: argparse.Namespace, console: Console) -> list[Found]:
    """Play every cell; after one that went wrong the rest get a network of their own."""
    found: list[Found] = []
    with Board(given.cells, console) as board:
        while len(found) < len(given.cells):
            async for each in play_until_wrong(given.cells[len(found) :], given.seed):
                found.append(each)
                board.add(each)
                keep_story(each, console)
    return found


async def play_until_wrong(cells: Sequence[Cell], seed: int) -> AsyncIterator[Found]:
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        async with arena(Path(folder), lambda _: None) as made:
            trials = Trials(made, seed)
            for cell in cells:
                found = await trials.play(cell)
                yield found
                if found.wrong:
                    return


async def stoppable(work: Coroutine[Any, Any, Result]) -> Result:
    """Tidy up on SIGTERM as on Ctrl-C."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def keep_story(found: Found, console: Console) -> None:
    if not found.story:
        return
    STORIES.mkdir(parents=True, exist_ok=True)
    path = STORIES / f"{found.cell.name}.txt"
    path.write_text("\n".join((*found.wrong, found.story)), encoding="utf-8")
    console.print(f"  the whole story: {path}", markup=False)


def live(lives: int, seed: int) -> int:
    """Run long lives of the simulated network; returns the exit code of pytest.

    Python's own seed is fixed too, for sets of ids have an order that it chooses.
    """
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", LIFE)
    asked = {
        "POOLHAND_LIFE_EXAMPLES": str(lives),
        "POOLHAND_LIFE_SEED": str(seed),
        "PYTHONHASHSEED": str(seed % 2**32),
    }
    timeout = ("-o", "timeout=0")
    return subprocess.run(
        (*words, *timeout), cwd=HERE.parent, env={**os.environ, **asked}, check=False
    ).returncode


def report(given: argparse.Namespace, found: list[Found], seconds: float) -> dict[str, Any]:
    counts = {mark: sum(f.mark == mark for f in found) for mark in ("good", "wrong", "skipped")}
    return {
        "seed": given.seed,
        "seconds": round(seconds),
        **counts,
        "why_skipped": sorted({each.skipped for each in found if each.skipped}),
        "cells": [each.dump() for each in found],
    }


def main() -> int:
    given, console = options(), Console()
    if given.list:
        print("\n".join(cell.name for cell in given.cells))
        return 0
    count = len(given.cells)
    print(
        f"seed {given.seed}: {count} cells, about {count * CELL_SECONDS / 60:.0f} minutes",
        flush=True,
    )
    observe.configure(level="error")
    began = time.monotonic()
    found = asyncio.run(stoppable(play(given, console)))
    told = report(given, found, time.monotonic() - began)
    lives_failed = 0
    if given.lives:
        print(f"the simulated network, {given.lives} lives", flush=True)
        lives_failed = live(given.lives, given.seed)
        told["lives"] = {"examples": given.lives, "good": not lives_failed}
    LATEST.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    console.print(
        f"seed {given.seed}: {told['good']} good, {told['wrong']} wrong, {told['skipped']} not run "
        f"in {told['seconds'] / 60:.0f} minutes; written to {LATEST}"
    )
    return 0 if told["good"] and not told["wrong"] and not lives_failed else 1


if __name__ == "__main__":
    sys.exit(main())
