"""Runs ``poolhand`` commands in a process each, without loading the program anew for each.

Two thirds of what a command costs is importing. One process has imported what commands need and
waits; for each command it forks. The fork gets the words, environment, folder and streams of the
command, and begins where ``python -m poolhand`` begins. That a program which starts from nothing
works, and how long it takes, is held by the tests that type in a shell (``typist.py``), by the
devnet's own programs, and by ``bench``.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from tempfile import mkdtemp
from typing import Any, Final, NoReturn

LOADED: Final = ("cli", "chain", "devnet", "domain", "keys", "requester", "transport")
"""The packages that commands need."""
LONGEST: Final = 1 << 20
"""Bytes of one request."""


# ------------------------------------------------------------------------------ in a test's process


def typed(
    words: Sequence[str], environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run ``poolhand`` with these words, in this folder, with no input.

    Raises:
        subprocess.TimeoutExpired: It took too long, and was killed; has what it said so far.
    """
    out, err = _Reader(), _Reader()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(_waiting())
        asked = json.dumps([words, dict(environment), str(Path.cwd())]).encode()
        socket.send_fds(line, [len(asked).to_bytes(4, "big") + asked], [out.end, err.end])
        out.start()
        err.start()
        line.settimeout(seconds)
        try:
            told = line.recv(4)
        except TimeoutError:
            line.close()  # which kills the command
            raise subprocess.TimeoutExpired(words, seconds, out.all(), err.all()) from None
    assert len(told) == 4, "the process that runs commands has ended"
    code = int.from_bytes(told, "big", signed=True)
    return subprocess.CompletedProcess(words, code, out.all().decode(), err.all().decode())


class _Reader:
    """Reads what a command writes to one of its streams."""

    def __init__(self) -> None:
        self._from, self.end = os.pipe()
        self._said: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """Begin, once the command has its end."""
        os.close(self.end)
        self._thread.start()

    def _read(self) -> None:
        with os.fdopen(self._from, "rb") as stream:
            while said := stream.read1():
                self._said.append(said)

    def all(self) -> bytes:
        """Return all that was said, once the command and whom it gave the stream have ended."""
        self._thread.join()
        return b"".join(self._said)


@cache
def _waiting() -> str:
    """Start the process that waits, once; it ends with ours. Returns the path of its socket."""
    path = str(Path(mkdtemp(prefix="poolhand-typed-")) / "socket")
    process = subprocess.Popen(
        (sys.executable, __file__, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()

    @atexit.register
    def end() -> None:
        process.stdin.close()
        process.wait(timeout=10)

    return path


# -------------------------------------------------------------------------- in the process that waits


class _Waiting:
    """Has loaded the program, and forks for every command."""

    def __init__(self, path: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(path)
        self._door.listen()

    def serve(self) -> None:
        """Run what is asked until the input ends."""
        self._selector.register(self._door, selectors.EVENT_READ, self._begin)
        self._selector.register(sys.stdin, selectors.EVENT_READ, sys.exit)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            for key, _ in self._selector.select():
                key.data()

    def _begin(self) -> None:
        line, _ = self._door.accept()
        words, environment, folder, streams = _asked(line)
        if not (pid := os.fork()):
            for mine in (line, self._door, self._selector):
                mine.close()
            _become(words, environment, folder, streams)
        for stream in streams:
            os.close(stream)
        ended = os.pidfd_open(pid)
        self._selector.register(ended, selectors.EVENT_READ, lambda: self._end(pid, ended, line))
        self._selector.register(line, selectors.EVENT_READ, lambda: self._give_up(pid, line))

    def _end(self, pid: int, ended: int, line: socket.socket) -> None:
        self._selector.unregister(ended)
        os.close(ended)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if line.fileno() >= 0:
            self._selector.unregister(line)
            line.sendall(code.to_bytes(4, "big", signed=True))
            line.close()

    def _give_up(self, pid: int, line: socket.socket) -> None:
        """Kill a command for which nobody waits any more."""
        if line.fileno() >= 0:
            self._selector.unregister(line)
            line.close()
            os.kill(pid, signal.SIGKILL)


def _asked(line: socket.socket) -> tuple[list[str], dict[str, str], str, list[int]]:
    got, streams, _, _ = socket.recv_fds(line, LONGEST, 2)
    while len(got) < 4 + int.from_bytes(got[:4], "big"):
        if not (more := line.recv(LONGEST)):
            raise EOFError("whoever asked is gone, and nobody else asks this process")
        got += more
    words, environment, folder = json.loads(got[4:])
    return words, environment, folder, streams


def _become(
    words: list[str], environment: dict[str, str], folder: str, streams: list[int]
) -> NoReturn:
    """Be the command: as a process that was started anew, but for what is loaded."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate([nothing, *streams]):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    main: Any = import_module("poolhand.cli.main")
    sys.argv = [str(Path(main.__file__).parents[1] / "__main__.py"), *words]
    main.main()
    raise AssertionError("it exits")


def load() -> None:
    """Import what commands need, and keep it where every fork shares it."""
    for name in LOADED:
        package = import_module(f"poolhand.{name}")
        for module in walk_packages(package.__path__, f"poolhand.{name}."):
            import_module(module.name)
    gc.freeze()


if __name__ == "__main__":
    load()
    _Waiting(sys.argv[1]).serve()
