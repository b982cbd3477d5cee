"""This computer beside our own work: asked of logind and X11, and read from the kernel.

A desktop tells logind when its user has gone (GNOME and KDE do); of a text console logind sees it
by itself, and so of a login from elsewhere. Where a desktop does not, ``xprintidle`` asks X11
itself, if it is installed and this program may see that display.

Source: loginctl(1), sd-login: ``IdleHint`` and ``IdleSinceHint`` (microseconds since 1970).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from poolhand.domain.units import Seconds
from poolhand.observe.heat import hottest_processor
from poolhand.observe.other_programs import running_program
from poolhand.observe.power import SUPPLIES, read_power
from poolhand.ports.machine_use import InputSeen, Power

LOGIND: Final = ("loginctl", "show", "-p", "IdleHint", "-p", "IdleSinceHint")
X11: Final = ("xprintidle",)
PATIENCE: Final = 5.0
"""Seconds for an answer."""
_MICRO, _MILLI = 1_000_000, 1_000


class ThisMachine:
    """Implements ``ports.machine_use.MachineUse``.

    Args:
        environ: Says whether there is an X11 display.
        logind, x11: Programs that are asked, with their arguments.
        supplies: Where the kernel tells of what feeds this computer.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        logind: tuple[str, ...] = LOGIND,
        x11: tuple[str, ...] = X11,
        supplies: Path = SUPPLIES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._environ, self._supplies, self._now = environ, supplies, now
        self._logind, self._x11 = logind, x11
        self._times = _cpu_times()

    async def input(self) -> InputSeen | None:
        """Ask X11 where that can be, for it knows best; else logind."""
        if self._environ.get("DISPLAY"):
            told = (await _asked(self._x11)).strip()
            if told.isdecimal():
                return InputSeen(Seconds(int(told) // _MILLI), "X11")
        return self._by_logind(await _asked(self._logind))

    def busy(self) -> float:
        """Return how many processors were at work since the last look."""
        before, self._times = self._times, _cpu_times()
        working, whole = (now - then for now, then in zip(self._times, before, strict=True))
        return (psutil.cpu_count() or 1) * working / whole if whole > 0 else 0.0

    def power(self) -> Power:
        """Return what feeds it."""
        return read_power(self._supplies)

    async def running(self, programs: Collection[str]) -> str | None:
        """Look through the system's processes."""
        return await asyncio.to_thread(running_program, programs)

    def celsius(self) -> float | None:
        """Return how hot its processors are."""
        return hottest_processor()

    def _by_logind(self, told: str) -> InputSeen | None:
        found = dict(line.partition("=")[::2] for line in told.splitlines())
        if found.get("IdleHint") == "no":
            return InputSeen(Seconds(0), "logind")
        since = found.get("IdleSinceHint", "")
        if found.get("IdleHint") != "yes" or not since.isdecimal():
            return None
        return InputSeen(Seconds(max(int(self._now() - int(since) / _MICRO), 0)), "logind")


async def _asked(program: tuple[str, ...]) -> str:
    """Return what a program prints; nothing where it is not there, fails, or hangs."""
    found = shutil.which(program[0])
    if found is None:
        return ""
    try:
        child = await asyncio.create_subprocess_exec(
            found,
            *program[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(PATIENCE):
            printed, _ = await child.communicate()
    except TimeoutError:
        return ""
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
    return printed.decode(errors="replace") if child.returncode == 0 else ""


def _cpu_times() -> tuple[float, float]:
    """Return seconds for which processors worked, and all of their seconds."""
    found = psutil.cpu_times()
    whole = sum(found[:8])  # what guests use is in what users use
    return whole - found.idle - getattr(found, "iowait", 0.0), whole
