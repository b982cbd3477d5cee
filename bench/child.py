"""Runs one measurement in this process: ``python -m bench.child NAME SIZE``; prints its keys.

The last line of standard output is the JSON object; what a person may read goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from bench.frame import Job, circumstances
from poolhand import observe
from poolhand.containers.mounts import release


async def run(name: str, size: float) -> None:
    observe.configure(level="error")
    with (
        circumstances(name) as beside,
        tempfile.TemporaryDirectory(prefix=f"poolhand-bench-{name}-") as home,
    ):
        try:
            keys = await import_module(f"bench.{name}").keys(Job(Path(home), size))
        finally:
            release(Path(home))  # a folder of a task that was at work cannot be removed otherwise
    print(json.dumps({**keys, **beside}))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], float(sys.argv[2])))
