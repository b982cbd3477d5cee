"""How the program before this one ended: told to, killed from outside, or by what it was doing.

A small file lies in the worker's folder while the program lives. Who finds it at a start knows that
the last program did not end well, and asks for evidence that it brought that on itself: an error
that nobody expected (it says so in the file), a crash of the interpreter (``faulthandler`` has left
a trace), or the kernel short of memory (it counts whom it kills, apps that outgrew their container
included; its log, where it may be read, says whether this program was among them, and elsewhere
only the last seconds count). Without evidence somebody killed it, or the machine was started anew,
and no task is to blame. No disk needs room to take the file away again.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from poolhand.domain.errors import Bug, PoolhandError
from poolhand.observe.kernel_log import newest_record, short_of_memory
from poolhand.observe.private import write_private
from poolhand.ports.clock import Clock

LIFE_FILE: Final = "alive"
CRASH: Final = "crash.trace"
"""Where the interpreter writes when it crashes (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL)."""
KEPT_CRASH: Final = "last-crash.trace"
"""Where the trace of the newest crash lies for whoever reads it, while the next life goes on."""
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
"""The machine's present life, another after every restart of it."""
VMSTAT: Final = Path("/proc/vmstat")
PAUSE_BETWEEN_LIFE_LOOKS: Final = 5.0
"""Seconds between two looks at the machine."""
_FAULT: Final = "fault"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Machine:
    """What a program can know of its machine.

    Attributes:
        boot: Name of the time since the machine was started; empty where it does not tell.
        killed: Processes killed by the kernel for lack of memory since then.
        victims: Returns the numbers of those of whom the kernel's log tells after a record; None
            where the machine does not tell.
        newest_record: Of that log: its number; None where the machine does not tell.
    """

    boot: str
    killed: int
    victims: Callable[[int], Collection[int] | None] = lambda _: None
    newest_record: Callable[[], int | None] = lambda: None

    @classmethod
    def read(cls) -> Self:
        """Ask this machine; what it does not tell is empty or 0."""
        boot, killed = "", 0
        with suppress(OSError):
            boot = BOOT.read_text(encoding="ascii").strip()
        with suppress(OSError, ValueError):
            counts = dict(line.split() for line in VMSTAT.read_text(encoding="ascii").splitlines())
            killed = int(counts.get("oom_kill", 0))
        return cls(boot, killed, lambda record: short_of_memory(after=record), newest_record)


class Life:
    """One life of the program; a context that it lives in.

    Args:
        base: The worker's folder.
        machine: As it is at the start.
    """

    def __init__(self, base: Path, machine: Machine) -> None:
        self._path, self._crash, self._machine = base / LIFE_FILE, base / CRASH, machine
        self._trace: int | None = None
        self._begun_after: int | None = None
        self._others = faulthandler.is_enabled()

    def begin(self) -> bool:
        """Note that work begins; returns whether the life before this one brought itself down."""
        cause = self._cause()
        if cause is not None:
            log.warning("sudden_end_found", cause=f"the worker before this one ended by {cause}")
        self._begun_after = self._machine.newest_record()
        self._note()
        self._hear_crashes()
        return cause is not None

    async def keep_looking(
        self, clock: Clock, machine: Callable[[], Machine] = Machine.read
    ) -> None:
        """Look at the machine now and again, until cancelled."""
        while True:
            await clock.sleep(PAUSE_BETWEEN_LIFE_LOOKS)
            self.look(machine())

    def look(self, machine: Machine) -> None:
        """Note how many the kernel has killed by now: those were others, such as greedy apps."""
        if machine.killed != self._machine.killed:
            self._machine = machine
            self._note()

    def _cause(self) -> str | None:
        """Say by what the life before this one ended suddenly; None where it is not to blame."""
        found, crash = _found(self._path), self._keep_crash()
        if found is None:
            return None
        boot, killed, *said = [*found, "", ""]
        if boot != self._machine.boot:
            return None
        if _FAULT in said:
            return "an error that nobody expected: its log has the trace"
        if crash is not None:
            return f"a crash of the interpreter: {crash} has the trace"
        if killed.isdecimal() and self._machine.killed > int(killed) and self._is_victim(said):
            return "the kernel, which was short of memory"
        log.info("kill_found", cause="the worker before this one was killed from outside")
        return None

    def _is_victim(self, said: list[str]) -> bool:
        """Tell whether the last life may be one of those whom the kernel has killed.

        By records of the kernel's log, not by clocks: that log's own drifts from all others.
        """
        numbers = [int(word) for word in said if word.isdecimal()]
        if not numbers:
            return True
        process, begun_after = numbers[0], numbers[1] if len(numbers) > 1 else -1
        victims = self._machine.victims(begun_after)
        return victims is None or process in victims

    def _keep_crash(self) -> Path | None:
        """Put a crash's trace where this life does not write over it; None: there is none."""
        if not _size(self._crash):
            return None
        kept = self._crash.with_name(KEPT_CRASH)
        try:
            self._crash.replace(kept)
        except OSError as fault:
            log.warning("life_not_noted", path=str(kept), cause=str(fault))
            return self._crash
        return kept

    def _note(self, *said: str) -> None:
        numbers = (self._machine.killed, os.getpid(), self._begun_after)
        told = (str(each) for each in numbers if each is not None)
        _write(self._path, "\n".join((self._machine.boot, *told, *said)))

    def _hear_crashes(self) -> None:
        """Let the interpreter write a trace when it crashes; without it, a crash leaves none."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            self._trace = os.open(self._crash, flags, 0o600)
        except OSError as fault:
            log.warning("life_not_noted", path=str(self._crash), cause=str(fault))
        else:
            faulthandler.enable(self._trace, all_threads=False)

    def _stop_hearing(self) -> None:
        if self._trace is None:
            return
        faulthandler.disable()
        if self._others:
            with suppress(OSError, RuntimeError):  # standard error may be no file by now
                faulthandler.enable()
        os.close(self._trace)
        _remove(self._crash)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop_hearing()
        if fault is None or _is_orderly(fault):
            _remove(self._path)
        elif _found(self._path) is not None:
            self._note(_FAULT)


def _is_orderly(fault: BaseException) -> bool:
    if isinstance(fault, BaseExceptionGroup):
        return all(map(_is_orderly, fault.exceptions))
    told = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)
    named = isinstance(fault, PoolhandError) and not isinstance(fault, Bug)
    return named or isinstance(fault, told)


def _found(path: Path) -> list[str] | None:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _write(path: Path, text: str) -> None:
    """Write the file; without it a sudden end just counts for nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, text)
    except OSError as fault:
        log.warning("life_not_noted", path=str(path), cause=str(fault))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        log.warning("life_not_noted", path=str(path), cause=str(fault))
