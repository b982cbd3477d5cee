"""What runs on a cluster's node: one container, from its start to its end.

Nodes have no Poolhand: this file is copied to the shared folder and needs Python 3.8 and runc
alone. It begins only where ``begun`` could be made, which only one can, so that no order runs
twice, whatever the cluster starts again. What it leaves beside: ``log`` and ``log.1`` (what the app
prints, framed as Docker's engine does, bounded), ``alive`` (its use, each second), ``result``.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PAUSE_BETWEEN_BEATS = 1.0
"""Seconds between two signs of life."""
LOG_FRAME = struct.Struct(">BxxxL")
PIECE_BYTES = 64 * 1024
NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUPS_FOLDER = "/sys/fs/cgroup"


class FrameLog:
    """Two files that hold the last of what an app prints."""

    def __init__(self, folder: Path, most: int) -> None:
        self._path, self._most = folder / "log", most
        self._file = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        return os.open(str(self._path), flags, 0o600)

    def add(self, stream: int, data: bytes) -> None:
        """Append what came from a stream (1 or 2)."""
        if os.fstat(self._file).st_size > self._most:
            os.close(self._file)
            self._path.replace(str(self._path) + ".1")
            self._file = self._open()
        os.write(self._file, LOG_FRAME.pack(stream, len(data)) + data)


class Cgroup:
    """What the kernel counts of a container in the control group of this job."""

    def __init__(self, name: str, told: str) -> None:
        places = [line.split(":", 2) for line in told.splitlines()]
        v1 = {word: path for _, words, path in places for word in words.split(",") if word}
        self._v2 = "memory" not in v1
        if self._v2:
            own = next((path for _, words, path in places if not words), "/")
            inner = str(Path(own).parent / name)
            self._folders = {"": (CGROUPS_FOLDER + inner, CGROUPS_FOLDER + own)}
        else:
            self._folders = {
                word: (
                    f"{CGROUPS_FOLDER}/{word}{v1[word]}/{name}",
                    f"{CGROUPS_FOLDER}/{word}{v1[word]}",
                )
                for word in ("memory", "cpuacct", "pids")
                if word in v1
            }

    def _read(self, controller: str, *names: str) -> str:
        """Return a file of the container's group; of the job's where it has none."""
        for folder in self._folders.get("" if self._v2 else controller, ()):
            for name in names:
                try:
                    return Path(folder, name).read_text()
                except OSError:
                    continue
        return ""

    def use(self) -> dict[str, float]:
        """Return bytes of memory, seconds of processors, and processes."""
        memory = self._read("memory", "memory.current", "memory.usage_in_bytes")
        if self._v2:
            words = self._read("", "cpu.stat").split()
            spent = float(words[words.index("usage_usec") + 1]) / 1e6 if words else 0.0
        else:
            spent = float(self._read("cpuacct", "cpuacct.usage") or 0) / 1e9
        processes = self._read("pids", "pids.current")
        return {
            "memory": float(memory or 0),
            "cpu_seconds": spent,
            "processes": float(processes or 1),
        }

    def killed_for_memory(self) -> int:
        """Return how many processes the kernel has ended because memory ran short."""
        total = 0
        for folder in self._folders.get("" if self._v2 else "memory", ()):
            for name in ("memory.events", "memory.oom_control"):
                try:
                    words = Path(folder, name).read_text().split()
                except OSError:
                    continue
                if "oom_kill" in words:
                    total += int(words[words.index("oom_kill") + 1])
        return total


class ContainerRun:
    """One container of runc's."""

    def __init__(self, folder: Path, order: dict[str, Any]) -> None:
        self._folder, self._order = folder, order
        self._log = FrameLog(folder, int(order["log"]))
        self._state = Path(tempfile.mkdtemp(prefix="poolhand-"))
        self._runc = shutil.which("runc", path=os.environ.get("PATH", "") + ":" + NODE_PATH)
        self._group = Cgroup(order["id"], Path("/proc/self/cgroup").read_text())
        self._beats = 0
        self._timed_out = False
        self._ended = False

    def go(self) -> dict[str, Any] | None:
        """Run it; return how it ended, or None where this job was told to end."""
        if self._runc is None:
            why = "runc is not installed on node " + os.uname().nodename
            return {"failed": why, "of_node": True}
        signal.signal(signal.SIGTERM, self._end)
        killed = self._group.killed_for_memory()
        self._beat()
        words = ["run", "--keep", "--bundle", str(self._folder), "--pid-file",
                 str(self._state / "pid"), self._order["id"]]  # fmt: skip
        began, since = time.time(), time.monotonic()
        child = subprocess.Popen(  # noqa: S603 - words of the worker's order
            [*self._command(), "--log", str(self._state / "words"), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": NODE_PATH},
        )  # fmt: skip
        try:
            self._attend(child, since + float(self._order["timeout"]))
            code = child.wait()
            if self._ended:
                return None
            started = (self._state / "pid").exists()
            result = {
                "exit_code": code,
                "timed_out": self._timed_out,
                "out_of_memory": self._group.killed_for_memory() > killed,
                "began": began,
                "seconds": time.monotonic() - since,
            }
            return result if started else {"failed": self._last_words()}
        finally:
            self._call("delete", "--force", self._order["id"])
            shutil.rmtree(str(self._state), ignore_errors=True)

    def _command(self) -> list[str]:
        return [str(self._runc), "--root", str(self._state / "containers")]

    def _call(self, *words: str) -> None:
        subprocess.run(  # noqa: S603 - runc, and words of the worker's order
            [*self._command(), *words],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": NODE_PATH},
        )

    def _end(self, *_: object) -> None:
        self._ended = True

    def _attend(self, child: subprocess.Popen[bytes], until: float) -> None:
        """Take what it prints and show that it lives, until both streams are closed."""
        beat = time.monotonic() + PAUSE_BETWEEN_BEATS
        with selectors.DefaultSelector() as streams:
            for number, stream in ((1, child.stdout), (2, child.stderr)):
                assert stream is not None
                streams.register(stream, selectors.EVENT_READ, number)
            while streams.get_map():
                now = time.monotonic()
                if self._ended or (now >= until and not self._timed_out):
                    self._timed_out = not self._ended
                    self._call("kill", self._order["id"], "KILL")
                    if self._ended:
                        child.kill()
                        return
                if now >= beat:
                    self._beat()
                    beat = now + PAUSE_BETWEEN_BEATS
                wake = beat if self._timed_out else min(beat, until)
                for key, _ in streams.select(max(wake - time.monotonic(), 0.01)):
                    data = os.read(key.fd, PIECE_BYTES)
                    if data:
                        self._log.add(key.data, data)
                    else:
                        streams.unregister(key.fileobj)

    def _beat(self) -> None:
        self._beats += 1
        write(self._folder / "alive", {"beat": self._beats, **self._group.use()})

    def _last_words(self) -> str:
        try:
            lines = (self._state / "words").read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return (lines or ["runc has not started it, and does not say why"])[-1][-1000:]


def write(path: Path, members: dict[str, Any]) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_name(path.name + ".new")
    with new.open("w") as file:
        json.dump(members, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def main(place: str) -> int:
    """Carry out the order in a folder, once."""
    os.umask(0o077)
    folder = Path(place)
    order = json.loads((folder / "order.json").read_text())
    try:
        (folder / "begun").mkdir()
    except FileExistsError:
        return 0
    try:
        result = ContainerRun(folder, order).go()
    except OSError as fault:
        result = {"failed": str(fault)}
    if result is not None:
        write(folder / "result", result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
