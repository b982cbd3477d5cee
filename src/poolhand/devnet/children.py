"""Programs of the devnet as child processes: started, heard when ready, kept up, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import structlog

from poolhand.domain.errors import Unavailable
from poolhand.domain.signal import Signal
from poolhand.observe.private import create_private

POOLHAND: Final = (sys.executable, "-m", "poolhand")
LONGEST_CHILD_START: Final = 120.0
LONGEST_CHILD_STOP: Final = 15.0
FIRST_PAUSE_BETWEEN_RESTARTS: Final = 1.0
LONGEST_PAUSE_BETWEEN_RESTARTS: Final = 30.0
SETTLED_SECONDS: Final = 60.0
"""A program that lived so long before it died is started again as if for the first time."""

log = structlog.get_logger()


class ProgramDied(Unavailable):
    """A program of the devnet ended before it was ready."""

    def __init__(self, name: str, file: Path, why: str | None = None) -> None:
        super().__init__(f"{name} did not start: {why or _last_lines(file)} (its log is {file})")


class ChildState(StrEnum):
    """How a program is."""

    STARTING = "starting"
    UP = "up"
    WAITING = "waiting"
    """It died, and is started again after a pause."""
    DEAD = "dead"
    """It died, and is not started again."""
    ENDED = "ended"
    """It was asked to end, or ended well by itself: it is left alone."""


@dataclass(frozen=True, slots=True)
class ChildStanding:
    """What ``devnet status`` shows of a program.

    ``last_exit`` is its exit code, or minus the number of the signal that ended it; None while
    it has not ended.
    """

    state: ChildState
    pid: int | None
    restarts: int
    last_exit: int | None

    def dump(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)


class Child:
    """One ``poolhand`` program.

    Args:
        name: For people, and of its log.
        arguments: Of the program, which prints one line of JSON when it is ready.
        environment: Added to ours.
        logs: Folder of its log.
        pause: Seconds between its first death and the next start; doubled for each that follows
            soon, up to ``LONGEST_PAUSE_BETWEEN_RESTARTS``.
        program: What the arguments are for.

    Attributes:
        changed: Tells that its standing is another.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        logs: Path,
        pause: float = FIRST_PAUSE_BETWEEN_RESTARTS,
        program: Sequence[str] = POOLHAND,
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self.changed: Signal[[]] = Signal()
        self._arguments, self._environment = tuple(arguments), dict(environment)
        self._first_pause, self._program = pause, tuple(program)
        self._process: asyncio.subprocess.Process | None = None
        self._started = asyncio.Event()
        self._state, self._restarts = ChildState.ENDED, 0
        self._last_exit: int | None = None

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    @property
    def standing(self) -> ChildStanding:
        """How the program is now."""
        return ChildStanding(self._state, self.pid, self._restarts, self._last_exit)

    async def start(self) -> None:
        """Start the program; ``ready`` tells when it serves."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        create_private(self.log)
        with self.log.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                *_tied_to_us(),
                *self._program,
                *self._arguments,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                start_new_session=True,
            )
        self._started.set()
        self._enter(ChildState.STARTING)

    async def ready(self) -> dict[str, Any]:
        """Wait until the program serves; returns what it says of itself.

        Raises:
            ProgramDied: It ended, or took too long.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(LONGEST_CHILD_START):
                line = await self._process.stdout.readline()
            found: dict[str, Any] = json.loads(line)
        except (TimeoutError, ValueError):
            raise ProgramDied(self.name, self.log) from None
        if "error" in found:
            raise ProgramDied(self.name, self.log, str(found["error"].get("message")))
        self._enter(ChildState.UP)
        return found

    async def ended(self) -> int:
        """Wait until the program ends; returns its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the program to end, and make it if it does not; repeatable."""
        await self.end(signal.SIGTERM)

    async def end(self, number: int) -> None:
        """End the program by a signal, and make it end if that does not; repeatable.

        It stays ended until ``start``, whoever keeps it up.
        """
        process = self._process
        self._enter(ChildState.ENDED)
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), LONGEST_CHILD_STOP)
        except TimeoutError:
            log.warning("program_killed", name=self.name)
            self._make_end()
            await process.wait()

    def _make_end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    # ----------------------------------------------------------------------------- supervision

    async def keep(self, *, restart: bool = True) -> None:
        """Notice whenever the program ends, and start it again if it died, for ever.

        One that ended with exit code 0 was asked to (by SIGTERM, ``worker stop``) and is left
        alone, and so is one that we have ended ourselves.
        """
        clock, pause = asyncio.get_running_loop().time, None
        while True:
            await self._started.wait()
            self._started.clear()
            began = clock()
            code = await self.ended()
            if self._started.is_set():
                continue  # ended and started anew by somebody, meanwhile
            self._last_exit = code
            if code == 0 or self._state is ChildState.ENDED:
                self._enter(ChildState.ENDED)
                continue
            if not restart:
                self._enter(ChildState.DEAD)
                continue
            pause = pause_after(pause, self._first_pause, clock() - began)
            await self._start_again(code, pause)

    async def _start_again(self, code: int, pause: float) -> None:
        self._enter(ChildState.WAITING)
        log.warning("program_died", name=self.name, exit=code, starts_in=pause)
        await asyncio.sleep(pause)
        if self._state is not ChildState.WAITING:
            return  # ended, or started, by somebody meanwhile
        self._restarts += 1
        try:
            await self.start()
            await self.ready()
        except (ProgramDied, OSError) as fault:
            log.warning("program_did_not_start", name=self.name, cause=str(fault))
            self._make_end()
            self._started.set()  # so that this counts as a death

    def _enter(self, state: ChildState) -> None:
        self._state = state
        self.changed()


def pause_after(former: float | None, first: float, lived: float) -> float:
    """Return how many seconds to wait before a dead program is started again.

    Args:
        former: The pause before this life; None if it was the first.
        first: The shortest.
        lived: Seconds of this life.
    """
    if former is None or lived > SETTLED_SECONDS:
        return first
    return max(min(2 * former, LONGEST_PAUSE_BETWEEN_RESTARTS), first)


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
