"""A dockerd of our own, beside any other on the machine, for root.

It runs in the host's network, so that it reaches a registry on 127.0.0.1, and shares nothing with
another dockerd: own data, socket, containerd namespace and bridge, and no firewall rule.
(``--bridge=none`` would delete the other one's docker0; the rules of two engines overwrite each
other.) So its containers reach no network beyond that bridge. Standard library only:
``make test`` starts one with it before anything is installed (``scripts/own_dockerd.py``).
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poolhand.containers.mounts import SYSTEM_PATH

LONGEST_DOCKERD_START = 60.0
LONGEST_DOCKERD_STOP = 30.0

# linux/sockios.h
SIOCSIFFLAGS, SIOCBRADDBR, SIOCBRDELBR = 0x8914, 0x89A0, 0x89A1


def answers(path: Path) -> bool:
    """Tell whether an engine answers on the socket at ``path``.

    Raises:
        PermissionError: one listens, but this user may not speak to it.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        try:
            line.connect(str(path))
            line.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in line.recv(64)
        except PermissionError:
            raise
        except OSError:
            return False


def bridge_call(request: int, argument: bytes) -> None:
    """Ask the kernel something about network bridges."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, request, argument)


def remove_bridge(name: str) -> None:
    """Take a bridge down and away, if it is there."""
    if Path("/sys/class/net", name).exists():
        bridge_call(SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), 0))
        bridge_call(SIOCBRDELBR, name.encode() + b"\0")


def mounts_under(folder: Path) -> list[str]:
    """Return the mount points in ``folder``, innermost first.

    The engine leaves its data folder mounted onto itself when its root is a bind mount.
    """
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].replace("\\040", " ") for line in lines]
    return sorted((point for point in points if Path(point).is_relative_to(folder)), reverse=True)


class EngineFailed(Exception):
    """The engine did not start; the message says what it said, or what root may not do here."""


class EnginePlace:
    """The files and names of one private engine, all made from one token.

    Args:
        folder: Of the engine; its name is the token.
        runsc: gVisor's program, as another runtime; None: the engine has runc alone.
    """

    def __init__(self, folder: Path, runsc: Path | None = None) -> None:
        token = folder.name
        self.runsc = runsc
        self.token = token
        self.folder = folder
        self.bridge = f"phd-{token}"
        # Sockets have short paths at most (108 bytes), so not in the folder.
        self.sockets = Path("/run") / f"poolhand-{token}"
        self.lock = self.folder / "lock"
        self.log = self.folder / "dockerd.log"
        self.pidfile = self.folder / "dockerd.pid"
        self.config = self.folder / "daemon.json"
        self.socket = self.sockets / "docker.sock"

    def command(self, dockerd: str) -> list[str]:
        """Return how to start the engine; setpriv ends it even if this script is killed."""
        namespace = f"poolhand-{self.token}"
        return [
            *("setpriv", "--pdeathsig", "TERM"),
            *(dockerd, "--config-file", str(self.config)),
            *("--containerd-namespace", namespace),
            *("--containerd-plugins-namespace", f"{namespace}-plugins"),
        ]

    def settings(self) -> dict[str, object]:
        """Return the engine's daemon.json."""
        settings: dict[str, object] = {
            "data-root": str(self.folder / "data"),
            "exec-root": str(self.sockets / "exec"),
            "pidfile": str(self.pidfile),
            "hosts": [f"unix://{self.socket}"],
            "bridge": self.bridge,
            "iptables": False,
            "ip6tables": False,
            "ip-masq": False,
            "ip-forward": False,
            "shutdown-timeout": 5,
        }
        if self.runsc is not None:
            # Without a network stack of its own: that needs /proc/sys/net/core/rmem_default hidden
            # from other namespaces than the first, which not every kernel does.
            runtime = {"path": str(self.runsc), "runtimeArgs": ["--network=none"]}
            settings["runtimes"] = {"runsc": runtime}
        return settings

    def claim(self) -> int:
        """Make the folder; return its lock, which says that its owner lives."""
        self.folder.mkdir(parents=True)
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def furnish(self) -> None:
        """Make settings, bridge and socket folder.

        Raises:
            EngineFailed: root may not make a bridge here, as in most containers.
        """
        self.config.write_text(json.dumps(self.settings(), indent=1))
        try:
            bridge_call(SIOCBRADDBR, self.bridge.encode() + b"\0")
        except OSError as error:
            raise EngineFailed(
                f"no Docker engine can be started here (making a bridge: {error.strerror}). "
                "Start one outside of this container and set DOCKER_HOST to it"
            ) from None
        self.sockets.mkdir(mode=0o700)

    def remove(self) -> None:
        """Remove all that we and the engine left; no mount inside is followed."""
        remove_bridge(self.bridge)
        for mount in (*mounts_under(self.folder), *mounts_under(self.sockets)):
            subprocess.run(["umount", mount], check=False)  # noqa: S603, S607 - a path of ours
        gone = [str(self.sockets), str(self.folder)]
        removal = ["rm", "-rf", "--one-file-system", *gone]
        subprocess.run(removal, check=False)  # noqa: S603 - paths of ours


@contextmanager
def nobody_else(engines: Path) -> Iterator[None]:
    """Let one process at a time make or sweep places."""
    engines.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engines.mkdir(exist_ok=True)
    with (engines / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def sweep(engines: Path) -> int:
    """Remove what killed engines left in the folder ``engines``; return how many live."""
    if not engines.is_dir():
        return 0
    with nobody_else(engines):
        return _sweep(engines)


def _sweep(engines: Path) -> int:
    living = 0
    for lock_file in engines.glob("*/lock"):
        place = EnginePlace(lock_file.parent)
        with lock_file.open() as lock:
            if is_locked(lock.fileno()) or answers(place.socket):
                living += 1
            else:
                place.remove()
    return living


def is_locked(lock: int) -> bool:
    """Tell whether another process holds the lock; take it if none does."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def wait_until_it_answers(place: EnginePlace, engine: subprocess.Popen[bytes]) -> None:
    """Return when the engine answers.

    Raises:
        EngineFailed: it ended or was too slow.
    """
    until = time.monotonic() + LONGEST_DOCKERD_START
    while not answers(place.socket):
        if engine.poll() is not None or time.monotonic() > until:
            last_words = "\n".join(place.log.read_text(errors="replace").splitlines()[-10:])
            raise EngineFailed(f"the private Docker engine did not start:\n{last_words}")
        time.sleep(0.05)


def stop(engine: subprocess.Popen[bytes]) -> None:
    """End the engine and its containers, and wait until it is gone."""
    engine.terminate()
    try:
        engine.wait(LONGEST_DOCKERD_STOP)
    except subprocess.TimeoutExpired:
        engine.kill()
        engine.wait()


def start(place: EnginePlace, dockerd: str) -> subprocess.Popen[bytes]:
    """Start the engine in its place."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    with place.log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - the engine's program
            place.command(dockerd),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )


@contextmanager
def own_engine(engines: Path, dockerd: str, runsc: Path | None = None) -> Iterator[str]:
    """Start an engine of our own; yield its DOCKER_HOST; stop it whatever happens.

    Args:
        engines: Folder for the engines' folders, on a disk.
        dockerd: The engine's program.
        runsc: gVisor's program, as another runtime; None: the engine has runc alone.

    Raises:
        EngineFailed: it did not start.
    """
    place = EnginePlace(engines / secrets.token_hex(3), runsc)
    with nobody_else(engines):
        _sweep(engines)
        lock = place.claim()
    try:
        place.furnish()
        engine = start(place, dockerd)
        try:
            wait_until_it_answers(place, engine)
            yield f"unix://{place.socket}"
        finally:
            stop(engine)
    finally:
        place.remove()
        os.close(lock)
