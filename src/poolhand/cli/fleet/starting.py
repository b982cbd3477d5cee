"""Starting workers of a fleet: each as a program, or as a copy of a supervisor that has their code.

A worker needs most of a second of a processor to be loaded, so sixty of them keep two processors
busy for half a minute. A copy (``fork``) of a process that has loaded it once needs none of that,
and shares its memory. A copy is a process like any other: of its own session, with files, signals
and environment of its own, and it outlives the supervisor.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn, Protocol

import poolhand
from poolhand.cli.join_service import COMMAND, start_in_background
from poolhand.cli.main import run

LOADED_FOR_WORKERS: Final = ("poolhand.cli.worker", "poolhand.cli.signing", "poolhand.worker.main")
"""What a worker that starts needs, and all that these need."""
_DESCRIPTORS: Final = Path("/proc/self/fd")
_STREAMS: Final = 3
"""Descriptors that every process has: input, output, errors."""
_CRASHED: Final = 1
"""Exit code of a copy that came to no end of its own."""


class StartedWorker(Protocol):
    """A worker that was started here."""

    def poll(self) -> int | None:
        """Return how it ended, a signal as a negative number; None while it runs."""


class WorkerStarter(Protocol):
    """Starts workers."""

    def start(self, words: Sequence[str], environ: Mapping[str, str], log: Path) -> StartedWorker:
        """Start one, which outlives this program.

        Args:
            words: Its command line, the program's included.
            environ: Its environment.
            log: What it says is added there.
        """


class WorkerPrograms:
    """Starts each worker as a program of its own."""

    def start(self, words: Sequence[str], environ: Mapping[str, str], log: Path) -> StartedWorker:
        """Start one, see ``WorkerStarter.start``."""
        return start_in_background(words, environ, log)


def package_version() -> tuple[int, int]:
    """Return what an upgrade of Poolhand changes: which file its package is, and since when."""
    with suppress(OSError):
        found = Path(poolhand.__file__).stat()
        return found.st_ino, found.st_mtime_ns
    return 0, 0


class WorkerCopies:
    """Starts each worker as a copy of this process, for as long as Poolhand is what was loaded.

    Args:
        program: How many words of a command line name this program.
        loaded: Modules that workers need.
        run: Runs a command line, without those words; returns its exit code.
        version: Tells what an upgrade of Poolhand changes.
    """

    def __init__(
        self,
        program: int,
        loaded: Sequence[str] = LOADED_FOR_WORKERS,
        run: Callable[[Sequence[str]], int] = run,
        version: Callable[[], tuple[int, int]] = package_version,
    ) -> None:
        self._program, self._programs, self._run = program, WorkerPrograms(), run
        self._version, self._loaded = version, version()
        for module in loaded:
            import_module(module)
        gc.collect()
        gc.freeze()  # what is never looked at again stays shared

    def start(self, words: Sequence[str], environ: Mapping[str, str], log: Path) -> StartedWorker:
        """Start one, see ``WorkerStarter.start``.

        After an upgrade of Poolhand it is a program: a copy would be of the version before.
        """
        if self._version() != self._loaded or threading.active_count() > 1:
            return self._programs.start(words, environ, log)
        sys.stdout.flush()
        sys.stderr.flush()
        number = os.fork()
        if not number:
            _become(self._run, list(words[self._program :]), environ, log)
        return WorkerCopy(number)


class WorkerCopy:
    """A worker that is a copy of this process.

    Args:
        number: Of its process.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._ended: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, see ``StartedWorker.poll``."""
        if self._ended is None:
            try:
                found, status = os.waitpid(self._number, os.WNOHANG)
            except ChildProcessError:  # who started us ignores the ends of children, and so do we
                found, status = self._number, 0
            if found:
                self._ended = os.waitstatus_to_exitcode(status)
        return self._ended


def starter_for(environ: Mapping[str, str]) -> WorkerStarter:
    """Return how workers are started here.

    Args:
        environ: Of this program. Where it names a command that stays the same over upgrades, that
            one is started: what it stands for may be another version.
    """
    if sys.platform == "linux" and not environ.get(COMMAND):
        return WorkerCopies(len((sys.executable, "-m", "poolhand")))
    return WorkerPrograms()


def _become(
    run: Callable[[Sequence[str]], int], words: list[str], environ: Mapping[str, str], log: Path
) -> NoReturn:
    """Be a worker from now on: nothing of the supervisor is kept but what was loaded."""
    code = _CRASHED
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _leave_files(log)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = ["poolhand", *words]
        code = run(words)
    except BaseException:  # noqa: BLE001 - nobody else would write it down
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _leave_files(log: Path) -> None:
    """Let go of the supervisor's files, its lock above all; say everything in the log."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    told = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number, stream in enumerate((nothing, told, told)):
        os.dup2(stream, number)
    for each in [int(path.name) for path in _DESCRIPTORS.iterdir()]:
        if each >= _STREAMS:
            with suppress(OSError):
                os.close(each)
