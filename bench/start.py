"""What every command line pays before it does anything: imports, and the shortest whole command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.frame import Job, Keys
from poolhand.keys.keystore import create_wallet

ROUNDS = 9
IMPORT = (
    "import time; began = time.perf_counter(); import poolhand.cli.main; "
    "print(time.perf_counter() - began)"
)
"""``poolhand.cli`` itself is an empty package: its ``main`` is what a command has to import."""


async def keys(job: Job) -> Keys:
    rounds = job.scaled(ROUNDS)
    environment = {**os.environ, "HOME": str(job.home)}
    create_wallet(job.home, "of a test", cost=2)
    imports = [float(_run([sys.executable, "-c", IMPORT], environment)) for _ in range(rounds)]
    command = [
        str(Path(sys.executable).parent / "poolhand"),
        "wallet",
        "list",
        "--keystore",
        str(job.home),
    ]
    lists = [_timed(command, environment) for _ in range(rounds)]
    job.say(f"import {median(imports):.3f} s, wallet list {median(lists):.3f} s")
    return {"start": {"import_s": round(median(imports), 3), "list_s": round(median(lists), 3)}}


def _timed(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    _run(command, environment)
    return time.perf_counter() - began


def _run(command: list[str], environment: dict[str, str]) -> str:
    made = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return made.stdout
