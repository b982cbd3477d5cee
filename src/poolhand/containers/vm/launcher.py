"""What runs in the container of an app's virtual machine: starts QEMU, passes on what is printed.

It ends with the app's exit code; why, and whether memory ran out, it writes into a file that the
worker gave it. Standard library only: the container has nothing else.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from poolhand.containers.vm.channel import (
    GuestFrame,
    GuestFrameKind,
    GuestFrameReader,
    NoGuestFrame,
    packed_frame,
)

PLAN: Final = "/vm-run/plan"
"""What it is to do, a file that the worker wrote."""
REPORT: Final = "/vm-run/report"
"""How it ended, a file that the worker reads."""
CONTROL_FD: Final = 10
CONSOLE_FD: Final = 11
"""File descriptors by which QEMU has the machine's serial port and console."""
LOST: Final = 255
"""Exit code of a machine that ended without a word."""
_END_BYTES: Final = 2
"""Of an end: the exit code, and 1 where memory ran out."""
_CONSOLE_TAIL: Final = 600
_PIECE: Final = 65_536
_SHORT: Final = 5.0


class VmLauncher:
    """One machine.

    Args:
        task: What the machine is told.
        boot_seconds: In which it must have started the app.
    """

    def __init__(self, task: bytes, boot_seconds: float) -> None:
        self._task, self._boot_seconds = task, boot_seconds
        self._console = bytearray()
        self._reader = GuestFrameReader()
        self.report: dict[str, Any] = {"phase": "lost", "started": False, "words": ""}
        self._code = LOST

    def run(self, words: list[str]) -> int:
        """Run QEMU to its end; returns the exit code.

        Args:
            words: How QEMU is started.
        """
        control, theirs = socket.socketpair()
        console, theirs_console = socket.socketpair()
        os.dup2(theirs.fileno(), CONTROL_FD, inheritable=True)
        os.dup2(theirs_console.fileno(), CONSOLE_FD, inheritable=True)
        theirs.close()
        theirs_console.close()
        program = subprocess.Popen(  # noqa: S603 - the worker's words
            words,
            stdin=subprocess.DEVNULL,
            stdout=CONSOLE_FD,
            stderr=CONSOLE_FD,
            pass_fds=(CONTROL_FD, CONSOLE_FD),
            restore_signals=False,  # a write beyond a limit fails, and ends nobody
        )
        os.close(CONTROL_FD)
        os.close(CONSOLE_FD)
        control.setblocking(False)
        self._outgoing = memoryview(packed_frame(GuestFrameKind.TASK, self._task))
        try:
            self._talk(control, console)
        except NoGuestFrame as fault:
            self._note(f"the machine sent {fault}")
        finally:
            self._end(program)
        if self.report["phase"] == "lost" and not self.report["words"]:
            self._note("the machine ended without a word")
        return self._code

    def _note(self, words: str) -> None:
        tail = bytes(self._console[-_CONSOLE_TAIL:]).decode(errors="replace").strip()
        self.report["words"] = f"{words} {tail}".strip()

    def _end(self, program: subprocess.Popen[bytes]) -> None:
        try:
            program.wait(_SHORT if self.report["phase"] == "ended" else 0)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()

    def _talk(self, control: socket.socket, console: socket.socket) -> None:
        """Pass on what comes until it ends."""
        last = time.monotonic() + self._boot_seconds
        poll = select.poll()
        poll.register(console, select.POLLIN)
        while True:
            poll.register(control, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
            wait = None if self.report["started"] else max(last - time.monotonic(), 0)
            found = dict(poll.poll(None if wait is None else wait * 1000))
            if not found:
                self._note(f"the machine did not start the app in {self._boot_seconds:g} s")
                return
            if console.fileno() in found and not self._hear(console):
                poll.unregister(console)
            flags = found.get(control.fileno(), 0)
            if flags & select.POLLOUT:
                self._outgoing = self._outgoing[control.send(self._outgoing[:_PIECE]) :]
            if flags & ~select.POLLOUT:
                data = _received(control)
                if not data or self._take_all(data):
                    return

    def _take_all(self, data: bytes) -> bool:
        """Act on what came; tells whether the last frame was among it."""
        is_last = False
        for frame in self._reader.add(data):
            is_last = self._takes(frame) or is_last
        return is_last

    def _hear(self, console: socket.socket) -> bytes:
        data = _received(console)
        self._console += data
        del self._console[: -2 * _CONSOLE_TAIL]
        return data

    def _takes(self, frame: GuestFrame) -> bool:
        """Act on a frame; tells whether it was the last."""
        if frame.kind in (GuestFrameKind.OUT, GuestFrameKind.ERR):
            _write(int(frame.kind), frame.body)
            return False
        if frame.kind is GuestFrameKind.STARTED:
            self.report["started"] = True
            return False
        if frame.kind is GuestFrameKind.ENDED:
            code, out_of_memory = frame.body if len(frame.body) == _END_BYTES else (LOST, 0)
            self._code = code
            self.report |= {"phase": "ended", "out_of_memory": out_of_memory == 1}
        elif frame.kind is GuestFrameKind.FAULT:
            words = frame.body.decode(errors="replace")
            self.report |= {"phase": "fault", "words": words}
        return True


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(_PIECE)
    except BlockingIOError:
        return b""
    except ConnectionError:
        return b""


def _write(stream: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(stream, left) :]


def main(plan_file: str = PLAN, report_file: str = REPORT) -> None:
    """Do what the plan says; never return."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    launcher = VmLauncher(json.dumps(plan["task"]).encode(), plan["boot_seconds"])
    code = launcher.run(plan["qemu"])
    Path(report_file).write_text(json.dumps(launcher.report), encoding="utf-8")
    if launcher.report["phase"] == "lost" and launcher.report["started"]:
        _write(2, b"\nthe virtual machine of this app ended by itself\n")
    os._exit(code)
