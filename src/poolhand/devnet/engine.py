"""A Docker engine of the devnet's own, which can be killed and started again; for root on Linux."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

import structlog

from poolhand.containers.mounts import SYSTEM_PATH
from poolhand.devnet import dockerd
from poolhand.devnet.dockerd import LONGEST_DOCKERD_STOP, EngineFailed, EnginePlace
from poolhand.domain.errors import Refused, Unavailable

GONE_SECONDS: Final = 0.05
"""Pause between two looks for a process that is ending."""

log = structlog.get_logger()


class NoEngineHere(Refused):
    """An engine of its own needs rights and a program that we do not have."""

    def __init__(self) -> None:
        super().__init__(
            "the devnet gets a Docker engine of its own only on Linux, as root, where dockerd is "
            "installed: run it as root, or leave --engine out and use the engine that is there"
        )


class EngineDied(Unavailable):
    """The devnet's own engine did not start."""


class DevnetEngine:
    """A private engine; an async context manager: it answers inside, and is gone afterwards.

    Its images and containers last as long as the context; what a killed devnet left of an earlier
    one in the same folder is removed first.

    Args:
        folder: For its data and log, on a disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = EnginePlace(folder / secrets.token_hex(3))
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return self._place.socket

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    async def __aenter__(self) -> Self:
        if sys.platform != "linux" or os.geteuid() or _program() is None:
            raise NoEngineHere
        await asyncio.to_thread(self._furnish)
        try:
            await self.start()
        except BaseException:
            await asyncio.to_thread(self._remove)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self.pid is None:
            with contextlib.suppress(EngineDied):
                await self.start()  # only a running engine takes its containers away with it
        await asyncio.to_thread(self._remove)

    async def start(self) -> None:
        """Start the engine and wait until it answers; repeatable.

        Raises:
            EngineDied: It ended or was too slow.
        """
        if self.pid is not None:
            return
        program = _program()
        assert program is not None
        # Started by this very thread: with it, not with a worker thread, the engine is to end.
        self._process = dockerd.start(self._place, program)
        try:
            await asyncio.to_thread(dockerd.wait_until_it_answers, self._place, self._process)
        except EngineFailed as fault:
            raise EngineDied(str(fault)) from fault

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End the engine by a signal and wait until it is gone; repeatable."""
        if self._process is not None and self.pid is not None:
            containerd = self._containerd()
            self._process.send_signal(number)
            await asyncio.to_thread(self._process.wait)
            if containerd is not None:
                await asyncio.to_thread(_until_gone, containerd)
                self._containerd_note.unlink(missing_ok=True)

    @property
    def _containerd_note(self) -> Path:
        return self._place.sockets / "exec" / "containerd" / "containerd.pid"

    def _containerd(self) -> str | None:
        """Return the number of the process that runs containers for the engine."""
        try:
            return self._containerd_note.read_text(encoding="ascii").strip() or None
        except OSError:
            return None

    def _furnish(self) -> None:
        dockerd.sweep(self._folder)
        with dockerd.nobody_else(self._folder):
            self._lock = self._place.claim()
        try:
            self._place.furnish()
        except EngineFailed as fault:
            self._remove()
            raise EngineDied(str(fault)) from fault

    def _remove(self) -> None:
        if self._process is not None and self.pid is not None:
            dockerd.stop(self._process)
        self._place.remove()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _until_gone(number: str) -> None:
    """Wait for the end of a process that is no child of ours; not for its burial, nor for ever.

    An engine that finds the former containerd's number still taken waits for it for ever.
    """
    until = time.monotonic() + LONGEST_DOCKERD_STOP
    while _is_alive(number) and time.monotonic() < until:
        time.sleep(GONE_SECONDS)


def _is_alive(number: str) -> bool:
    """Tell whether a process lives; a zombie does not. Source: proc(5), ``stat``."""
    try:
        fields = Path("/proc", number, "stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return fields.split()[0] not in ("Z", "X")


def _program() -> str | None:
    return shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
