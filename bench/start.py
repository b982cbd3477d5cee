"""What every command line pays before it does anything: imports, and the shortest whole command."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from bench.frame import Job, Keys
from poolhand.keys.keystore import create_wallet

ROUNDS = 9
IMPORT = (
    "import time; began, work = time.perf_counter(), time.process_time(); "
    "import poolhand.cli.main; "
    "print(time.perf_counter() - began, time.process_time() - work)"
)
"""``poolhand.cli`` itself is an empty package: its ``main`` is what a command has to import."""


async def keys(job: Job) -> Keys:
    rounds = job.scaled(ROUNDS)
    environment = {**os.environ, "HOME": str(job.home)}
    create_wallet(job.home, "of a test", cost=2)
    imports = [_run([sys.executable, "-c", IMPORT], environment).split() for _ in range(rounds)]
    command = [
        str(Path(sys.executable).parent / "poolhand"),
        "wallet",
        "list",
        "--keystore",
        str(job.home),
    ]
    lists = [_timed(command, environment) for _ in range(rounds)]
    found = {"import": _medians(imports), "list": _medians(lists)}
    for name, (clock, work) in found.items():
        job.say(f"{name}: {clock:.3f} s, {work:.3f} s of them at work")
    return {
        "start": {
            **{f"{name}_s": round(clock, 3) for name, (clock, _) in found.items()},
            **{f"{name}_cpu_s": round(work, 3) for name, (_, work) in found.items()},
        }
    }


def _medians(rounds: Iterable[Iterable[float | str]]) -> list[float]:
    """Return the medians of seconds by the clock and of the processor's."""
    return [median(map(float, each)) for each in zip(*rounds, strict=True)]


def _timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    began, worked = time.perf_counter(), _work_of_children()
    _run(command, environment)
    return time.perf_counter() - began, _work_of_children() - worked


def _work_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: list[str], environment: dict[str, str]) -> str:
    made = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return made.stdout
