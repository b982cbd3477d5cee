"""A worker as ``poolhand worker start`` starts one, on a computer whose GPUs are *simulated*.

    python gpu_worker.py FOLDER [settings of poolhand worker start]

FOLDER has the GPUs' files, see ``simulated_gpus``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from poolhand.cli.programs import add_program
from poolhand.observe.processors import usable_cpus
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.worker.main import run
from poolhand.worker.parts import WorkerParts


async def start(settings, ready):
    parts = WorkerParts(files=Path(sys.argv[1]))
    await run(worker_settings(settings, os.environ, usable_cpus()), ready, parts)


app = typer.Typer()
add_program(app, "start", WORKER_OPTIONS, start, "Work for a pool.")
app(sys.argv[2:])
