"""What a worker said that runs as a service of systemd: its journal has it, not a file.

Source: journalctl(1), of which no part is needed where it is absent; ``/proc/PID/cgroup``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OURS: Final = "poolhand"
"""Stands in the name of every service of ours: another one's journal is nobody's business."""
JOURNAL_LINES: Final = 2_000
"""Of a journal's end that are taken."""
LONGEST_JOURNAL_READ: Final = 30.0
"""Seconds for a journal to be read."""
_USERS: Final = "/user@"
"""In the path of a service that belongs to one user's own systemd."""


@dataclass(frozen=True, slots=True)
class ServiceUnit:
    """A service, or several by a pattern, of which there may be none.

    Attributes:
        name: Of the unit.
        is_user: Whether it is one of a user's own systemd.
        is_known: Whether the worker runs as this very one.
    """

    name: str
    is_user: bool
    is_known: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """The command that prints the end of its journal."""
        whose = ("--user",) if self.is_user else ()
        told = ("--unit", self.name, "--lines", str(JOURNAL_LINES), "--output", "short-iso")
        return ("journalctl", *whose, *told, "--no-pager", "--quiet")

    @property
    def readers(self) -> str:
        """Who may read its journal, for a person."""
        if self.is_user:
            return "the user whose service it is"
        return "root, or as a user in the group systemd-journal"


def units_of(name: str, cgroups: str) -> tuple[ServiceUnit, ...]:
    """Return under which services a worker runs, or may have run.

    Args:
        name: Of the worker.
        cgroups: Of its process, as the kernel tells them; empty where it does not run.
    """
    for line in cgroups.splitlines():
        path = line.partition("::")[2] or line.rpartition(":")[2]
        unit = path.rpartition("/")[2]
        if unit.endswith(".service") and OURS in unit:
            return (ServiceUnit(unit, _USERS in path),)
    pattern = f"{OURS}-{name}-*.service"  # as joining registers it
    return tuple(ServiceUnit(pattern, is_user, is_known=False) for is_user in (False, True))


def cgroups_of(pid: int) -> str:
    """Return what the kernel tells of a process' control groups; empty where it tells nothing."""
    try:
        return Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def service_logs(units: tuple[ServiceUnit, ...]) -> Iterator[tuple[str, str]]:
    """Yield what was asked and what the journal has; of a known service also why it has nothing."""
    is_there = shutil.which("journalctl") is not None
    for unit in units:
        said = _read(unit) if is_there else _unread(unit, "there is no program journalctl here")
        if said:
            yield " ".join(unit.words), said


def _read(unit: ServiceUnit) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, words of ours
            unit.words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=LONGEST_JOURNAL_READ,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return _unread(unit, str(fault))
    said = done.stdout.decode(errors="replace")
    if done.returncode and not said:
        return _unread(unit, done.stderr.decode(errors="replace").strip())
    return said or _unread(unit, "it shows nothing to this user")  # it ends well all the same


def _unread(unit: ServiceUnit, why: str) -> str:
    if not unit.is_known:
        return ""
    return f"cannot be read: {why or 'it failed'}; give the same command as {unit.readers}\n"
