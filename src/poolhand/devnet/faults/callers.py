"""Who is at the other end of a connection on this machine.

A program is known by its process: of a TCP connection the kernel tells the socket's inode
(``/proc/net/tcp``), and the program's open files (``/proc/<pid>/fd``) tell whose it is; of a Unix
socket it tells the process itself. Only the devnet's own programs are searched. Source: proc(5),
unix(7).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from poolhand.devnet.faults.kinds import EVERY_PROGRAM, EVERY_WORKER, EVERYBODY, OTHER_CALLERS

Programs: TypeAlias = Callable[[], Mapping[str, int]]
"""Returns the running programs by name, with their process ids."""
SocketAddress: TypeAlias = tuple[str, int]
CONNECTIONS: Final = Path("/proc/net/tcp")
LOOKS_FOR_CALLER: Final = 10
"""The kernel's list is read in pieces; a connection may slip from one to the next meanwhile."""
_UCRED: Final = struct.Struct("3i")


def is_meant(caller: str, name: str) -> bool:
    """Tell whether a fault for ``caller`` concerns the program called ``name``."""
    if caller == EVERY_PROGRAM:
        return name != OTHER_CALLERS
    if caller == EVERY_WORKER:
        return name.startswith("worker-")
    return caller in (EVERYBODY, name)


def tcp_caller(peer: SocketAddress, near: SocketAddress, programs: Programs) -> str:
    """Name the program at the other end of a connection; ``others`` when it is none of ours.

    Where the kernel does not tell (not Linux), everybody is ``others``.

    Args:
        peer: The caller's address and port.
        near: Ours.
        programs: Among whom the caller is looked for.
    """
    inode = next(filter(None, (_inode(peer, near) for _ in range(LOOKS_FOR_CALLER))), None)
    if inode is None:
        return OTHER_CALLERS
    wanted = f"socket:[{inode}]"
    return next(
        (name for name, pid in programs().items() if wanted in _open_files(pid)), OTHER_CALLERS
    )


def unix_caller(near: socket.socket, programs: Programs) -> str:
    """Name the program at the other end of a Unix socket."""
    if not hasattr(socket, "SO_PEERCRED"):
        return OTHER_CALLERS
    told = near.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    process, _, _ = _UCRED.unpack(told)
    return next((name for name, pid in programs().items() if pid == process), OTHER_CALLERS)


def _inode(peer: SocketAddress, near: SocketAddress) -> str | None:
    """Find the socket of a living IPv4 connection by its two ends; a dead one has number 0."""
    wanted = [_shown(peer), _shown(near)]
    with suppress(OSError), CONNECTIONS.open(encoding="ascii") as lines:
        for line in lines:
            columns = line.split()
            if columns[1:3] == wanted and columns[9] != "0":
                return columns[9]
    return None


def _shown(address: SocketAddress) -> str:
    host, port = address
    (number,) = struct.unpack("=I", socket.inet_aton(host))
    return f"{number:08X}:{port:04X}"


def _open_files(pid: int) -> Iterable[str]:
    found = set()
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # closed meanwhile
                found.add(str(Path(entry).readlink()))
    return found
