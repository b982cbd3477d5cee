"""A program of the network that can be frozen, ended by any signal, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

TIME_LIMIT = 60.0
"""Seconds for one program to become ready, to freeze or to end."""
PACE = 0.02


class Died(Exception):
    """A program ended by itself."""

    def __init__(self, program: Program) -> None:
        super().__init__(f"{program.name} is not up: {tail(program.log, 8)}")


def tail(path: Path, count: int) -> str:
    """Return the last lines of a file."""
    if not path.exists():
        return "(no log)"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-count:])


class Program:
    """One program.

    Args:
        name: For people, and of its log.
        words: Behind ``python``.
        environment: All of it, but for what ours adds.
        logs: Folder of its log.
    """

    def __init__(
        self, name: str, words: Sequence[str], environment: Mapping[str, str], logs: Path
    ) -> None:
        self.name, self.log = name, logs / f"{name}.log"
        self._words, self.environment = tuple(words), dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._told: asyncio.Task[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def is_frozen(self) -> bool:
        return self.runs and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    async def start(self) -> None:
        setpriv = shutil.which("setpriv")
        tied = (setpriv, "--pdeathsig", "KILL") if setpriv else ()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tied, sys.executable, *self._words,
                env={**os.environ, **self.environment},
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        self._told = asyncio.create_task(self._process.stdout.readline())

    async def ready(self) -> str:
        """Wait until the program serves; returns its URL.

        Raises:
            Died: It ended, or took too long.
        """
        assert self._told is not None
        try:
            line = await asyncio.wait_for(asyncio.shield(self._told), TIME_LIMIT)
            return str(json.loads(line)["url"])
        except (TimeoutError, ValueError):
            raise Died(self) from None

    async def frozen(self) -> None:
        """Wait until the program stands still; raises Died when it ends instead."""
        while not self.is_frozen:
            if not self.runs:
                raise Died(self)
            await asyncio.sleep(PACE)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    async def end(self, number: signal.Signals) -> None:
        """Send a signal that ends the program, and wait until it is gone."""
        assert self._process is not None
        self._send(number)
        self._send(signal.SIGCONT)
        try:
            await asyncio.wait_for(self._process.wait(), TIME_LIMIT)
        except TimeoutError:
            self._send(signal.SIGKILL)
            await self._process.wait()
            raise Slow(self.name, number) from None

    async def stop(self) -> None:
        """Be sure that nothing is left; repeatable."""
        if self.runs:
            with contextlib.suppress(Slow):
                await self.end(signal.SIGTERM)
        if self._told is not None:
            self._told.cancel()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class Slow(Exception):
    """A program did not end by a signal."""

    def __init__(self, name: str, number: signal.Signals) -> None:
        super().__init__(f"{name} did not end within {TIME_LIMIT:.0f} s of {number.name}")
