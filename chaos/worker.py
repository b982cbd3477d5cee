"""The worker of the chaos runs: ``poolhand worker start``, but for its journal that can halt.

The environment is that of a worker, and ``CHAOS_ORDER``: the file in which orders come.
"""

from __future__ import annotations

import os
from pathlib import Path

import typer

from chaos.halting import HaltingJournal
from poolhand.cli.programs import Ready, add_program
from poolhand.settings.load import Settings
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.transport.listener import ClientRules
from poolhand.worker.main import run
from poolhand.worker.parts import WorkerParts

ORDER = "CHAOS_ORDER"
EAGER = ClientRules(last_pause=2.0)
"""Comes back sooner than a worker would, so that a trial is not mostly waiting."""
app = typer.Typer(add_completion=False)


async def _start(settings: Settings, ready: Ready) -> None:
    order = Path(os.environ[ORDER])
    parts = WorkerParts(journal=lambda journal: HaltingJournal(journal, order), rules=EAGER)
    cpus = len(os.sched_getaffinity(0))
    await run(worker_settings(settings, os.environ, cpus), ready, parts)


add_program(
    app, "start", WORKER_OPTIONS, _start, "Work for a pool, and halt where CHAOS_ORDER says."
)

if __name__ == "__main__":
    app()
