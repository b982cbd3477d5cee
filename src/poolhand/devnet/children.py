"""Programs of the devnet as child processes: started, heard when ready, stopped for sure."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from poolhand.domain.errors import Unavailable

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0

log = structlog.get_logger()


class ProgramDied(Unavailable):
    """A program of the devnet ended before it was ready."""

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(f"{name} did not start: {_last_lines(file)} (its log is {file})")


class Child:
    """One ``poolhand`` program.

    Args:
        name: For people, and of its log.
        arguments: Behind ``poolhand``; the program prints one line of JSON when it is ready.
        environment: Added to ours.
        logs: Folder of its log.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], logs: Path
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._arguments, self._environment = tuple(arguments), dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def start(self) -> None:
        """Start the program; ``ready`` tells when it serves."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                *_tied_to_us(),
                sys.executable,
                "-m",
                "poolhand",
                *self._arguments,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                start_new_session=True,
            )

    async def ready(self) -> dict[str, Any]:
        """Wait until the program serves; returns what it says of itself.

        Raises:
            ProgramDied: It ended, or took too long.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_SECONDS):
                line = await self._process.stdout.readline()
            found: dict[str, Any] = json.loads(line)
        except (TimeoutError, ValueError):
            raise ProgramDied(self.name, self.log) from None
        return found

    async def ended(self) -> int:
        """Wait until the program ends; returns its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the program to end, and make it if it does not; repeatable."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("program_killed", name=self.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _tied_to_us() -> tuple[str, ...]:
    """Return the words that make Linux end the process when ours ends, by SIGTERM."""
    setpriv = shutil.which("setpriv")
    return () if setpriv is None else (setpriv, "--pdeathsig", "TERM")


def _last_lines(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return "it left no log"
    return " / ".join(line.strip() for line in lines[-6:] if line.strip()) or "it said nothing"
