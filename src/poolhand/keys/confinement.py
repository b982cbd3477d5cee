"""What a process gives up once it has all it needs: files, network, children, other users' rights.

Each step is taken where the kernel lets us; what was reached is named, so that it can be told.
Linux alone has them: elsewhere little is named but core dumps.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final, TypeAlias

from poolhand.keys.call_filter import MACHINES, call_filter

SIGNER_USER: Final = 65_534
"""User and group of a signer that was started by root."""
DOWNLOADS: Final = 65_533
"""Group of a process for downloads that was started by root; its user is nobody."""
_LOOPBACK: Final = "lo"
"""The only interface of a container without a network, which may not leave what it has not."""
_SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 4, 22, 38
_FILTER_MODE: Final = 2
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_PATHS: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
"""By version of Landlock: every right to what a path names."""
_LISTENING, _UNIX_AND_SIGNALS = 1, 3
"""Rights to bind TCP, and ways to processes outside (since versions 4 and 6 of Landlock)."""

ConfinementStep: TypeAlias = tuple[str, Callable[[], bool]]
"""What is given up, and how; it tells whether that was done."""


def hide() -> None:
    """Let nobody but root look into this process; to be called before there is a key."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        prctl(_SET_DUMPABLE, 0)


def confine() -> tuple[str, ...]:
    """Give up all that signing needs not; returns the names of what was reached.

    Nothing can be opened, started, connected or imported after it.
    """
    return _give_up(
        (),
        (
            ("network namespace of its own", leave_network),
            ("user nobody", lambda: _become_nobody(SIGNER_USER)),
            *_CLOSED,
            ("no files, sockets or programs", lambda: _refuse_calls(tcp=False)),
        ),
    )


def confine_downloads(most: int) -> tuple[str, ...]:
    """Give up all but TCP and the files that are open, or handed over later.

    Nothing can be opened, started or imported after it, and no name looked up.

    Args:
        most: Bytes of the largest file.

    Returns:
        The names of what was reached.
    """
    return _give_up(
        (
            ("no file over its limit", lambda: _limit(resource.RLIMIT_FSIZE, most)),
            ("no children", lambda: _limit(resource.RLIMIT_NPROC, 0)),
        ),
        (
            ("user nobody", lambda: _become_nobody(DOWNLOADS)),
            *_CLOSED,
            ("no paths", _leave_paths),
            ("no files, programs or sockets but TCP", lambda: _refuse_calls(tcp=True)),
        ),
    )


def drop_streams() -> None:
    """Let go of terminal and logs: nothing is read or told but over the line."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def _give_up(
    anywhere: tuple[ConfinementStep, ...], on_linux: tuple[ConfinementStep, ...]
) -> tuple[str, ...]:
    reached = ["no core dumps"]
    for name, step in anywhere + (on_linux if sys.platform == "linux" else ()):
        try:
            done = step()
        except (OSError, ValueError):
            done = False
        if done:
            reached.append(name)
    return tuple(reached)


def _limit(what: int, most: int) -> bool:
    resource.setrlimit(what, (most, most))
    return True


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int, more: object = 0) -> bool:
    """Change something about this process (Linux); returns whether the kernel did it."""
    return bool(_libc().prctl(option, ctypes.c_ulong(value), more, 0, 0) == 0)


def leave_network() -> bool:
    """Leave the network for a namespace without one; returns whether there is none now."""
    libc = _libc()
    left = libc.unshare(_NEW_NET) == 0 or libc.unshare(_NEW_USER | _NEW_NET) == 0
    return left or {name for _, name in socket.if_nameindex()} == {_LOOPBACK}


def _become_nobody(group: int) -> bool:
    if os.geteuid() != 0:
        return False
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(SIGNER_USER, SIGNER_USER, SIGNER_USER)
    return True


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _leave_paths() -> bool:
    """Refuse whatever a path names (Landlock); open files stay as they are."""
    libc = _libc()
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = (
        _PATHS[min(version, max(_PATHS))],
        _LISTENING if version >= 4 else 0,
        _UNIX_AND_SIGNALS if version >= 6 else 0,
    )
    told = struct.pack("=QQQ", *rights)
    size = ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24)
    rules = libc.syscall(_LANDLOCK_CREATE, told, size, 0)
    if rules < 0:
        return False
    done = libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(done)


def _refuse_calls(*, tcp: bool) -> bool:
    """Refuse the system calls that reach anything new (seccomp)."""
    if (machine := MACHINES.get(platform.machine())) is None:
        return False
    code = call_filter(machine, tcp=tcp)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    return prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))


_CLOSED: Final[tuple[ConfinementStep, ...]] = (
    ("hidden from its user", lambda: prctl(_SET_DUMPABLE, 0)),
    ("no new privileges", lambda: prctl(_SET_NO_NEW_PRIVS, 1)),
)
