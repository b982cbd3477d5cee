"""Which programs run on this computer, those in containers left out: an app is none of its owner's.

Source: Linux, proc_pid_status(5), ``NSpid``: a process of a container has a number in each of its
namespaces, and so more numbers than ours.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import psutil

PROC: Final = Path("/proc")


def running_program(programs: Collection[str], proc: Path = PROC) -> str | None:
    """Return one of these programs that runs; None: none does.

    Args:
        programs: Names in lower case, without ``.exe``.
        proc: Where the kernel tells of processes.
    """
    depth = _depth(proc / "self")
    for each in psutil.process_iter():
        try:
            name = each.name().lower().removesuffix(".exe")
        except psutil.Error:  # it has ended meanwhile
            continue
        if name in programs and _depth(proc / str(each.pid)) <= depth:
            return name
    return None


def _depth(process: Path) -> int:
    """Count the namespaces of processes that one is in; 1 where nothing tells."""
    try:
        lines = (process / "status").read_text(errors="replace").splitlines()
    except OSError:
        return 1
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), ["1"])
    return len(numbers)
