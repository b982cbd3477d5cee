"""A worker as ``poolhand worker start`` starts one, on a computer of which a part is *simulated*.

    python worker_with.py PARTS [settings of poolhand worker start]

PARTS is JSON: ``files``, the folder with the files of GPUs (see ``simulated_gpus``), or ``names``,
the addresses to which names of hosts lead, which are found nowhere else.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import typer

from poolhand.cli.programs import add_program
from poolhand.observe.processors import usable_cpus
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.worker.main import run
from poolhand.worker.parts import WorkerParts


def parts_of(told):
    async def resolver(host, _port):
        return (ip_address(told["names"][host]),)

    found = WorkerParts(files=Path(told.get("files", "/")))
    return replace(found, resolver=resolver) if "names" in told else found


async def start(settings, ready):
    parts = parts_of(json.loads(sys.argv[1]))
    await run(worker_settings(settings, os.environ, usable_cpus()), ready, parts)


app = typer.Typer()
add_program(app, "start", WORKER_OPTIONS, start, "Work for a pool.")
app(sys.argv[2:])
