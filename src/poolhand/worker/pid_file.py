"""``worker.json`` in the worker's folder: where a running worker takes orders, and by what token.

Readable by its owner alone; there while the worker runs, and after a crash until the next start.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import psutil

PID_FILE: Final = "worker.json"


@dataclass(frozen=True, slots=True)
class PidFile:
    """A running worker.

    Attributes:
        url: Of its status page.
        token: Which orders must carry.
        pid, started: Of its process; ``started`` (Unix seconds) tells it from a later one of the
            same number.
    """

    url: str
    token: str = field(default="", repr=False)
    pid: int = 0
    started: float = 0.0

    @property
    def is_running(self) -> bool:
        """Whether that very process lives (as far as this machine can see it)."""
        try:
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.create_time() == self.started
        except psutil.Error:
            return False


def post(folder: Path, url: str, token: str) -> None:
    """Write down that this process runs a worker."""
    me = psutil.Process()
    draft = folder / f".{PID_FILE}.part"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(PidFile(url, token, me.pid, me.create_time())), file)
    draft.replace(folder / PID_FILE)


def read(folder: Path) -> PidFile | None:
    """Read the pid file; None when there is none, or it is none of ours."""
    try:
        told = json.loads((folder / PID_FILE).read_text(encoding="utf-8"))
        return PidFile(
            str(told["url"]),
            str(told.get("token", "")),
            int(told.get("pid", 0)),
            float(told.get("started", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove(folder: Path) -> None:
    """Remove the pid file; repeatable."""
    with suppress(OSError):
        (folder / PID_FILE).unlink(missing_ok=True)
