"""``worker.json`` in the worker's folder: where a running worker takes orders, and by what token.

Readable by its owner alone; there while the worker runs, and after a crash until the next start.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import psutil

from poolhand.observe.private import write_private

WORKER_PID_FILE: Final = "worker.json"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_STARTED: Final = 19
"""Where a process' start is among what follows its name in ``stat`` of ``/proc``: field 22."""
_CLOCK_SLACK: Final = 5.0
"""Seconds by which two readings of one process' start may differ where the clock tells it."""


@dataclass(frozen=True, slots=True)
class PidFile:
    """A running worker.

    Attributes:
        url: Of its status page.
        token: Which orders must carry.
        pid, started: Of its process; ``started`` (Unix seconds) tells it from a later one of the
            same number, as long as nobody sets the clock: Linux counts from it.
        mark: Which start of which machine's life it is, whatever the clock says; empty where the
            system does not tell, or an earlier version wrote the file.
    """

    url: str
    token: str = field(default="", repr=False)
    pid: int = 0
    started: float = 0.0
    mark: str = ""

    @property
    def is_running(self) -> bool:
        """Whether that very process lives (as far as this machine can see it)."""
        try:
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            mark = _mark(self.pid)
            if mark and self.mark:
                return alive and mark == self.mark
            return alive and abs(process.create_time() - self.started) <= _CLOCK_SLACK
        except psutil.Error:
            return False


def _mark(pid: int) -> str:
    """Return what no other process has had; empty where the system does not tell.

    Source: proc(5): ``/proc/PID/task/PID/stat`` of the first thread, ticks from the machine's start
    to the process'; the name before it may hold anything. A process that QEMU emulates reads of
    itself in ``/proc/PID/stat`` a later start than others do (``fill_stat`` of linux-user).
    ``random(4)``: another boot id after each start of the machine.
    """
    try:
        told = Path(f"/proc/{pid}/task/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return f"{_BOOT.read_text(encoding='ascii').strip()} {int(told[_STARTED])}"
    except (OSError, ValueError, IndexError):
        return ""


def post(folder: Path, url: str, token: str) -> None:
    """Write down that this process runs a worker."""
    me = psutil.Process()
    told = PidFile(url, token, me.pid, me.create_time(), _mark(me.pid))
    write_private(folder / WORKER_PID_FILE, json.dumps(asdict(told)))


def read(folder: Path) -> PidFile | None:
    """Read the pid file; None when there is none, or it is none of ours."""
    try:
        told = json.loads((folder / WORKER_PID_FILE).read_text(encoding="utf-8"))
        return PidFile(
            str(told["url"]),
            str(told.get("token", "")),
            int(told.get("pid", 0)),
            float(told.get("started", 0)),
            str(told.get("mark", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove(folder: Path) -> None:
    """Remove the pid file; repeatable."""
    with suppress(OSError):
        (folder / WORKER_PID_FILE).unlink(missing_ok=True)
