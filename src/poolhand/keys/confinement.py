"""What a signer gives up once its wallet is open: files, network, children, other users' rights.

Each step is taken where the kernel lets us; what was reached is named, so that it can be told.
Linux alone has them: elsewhere nothing is named but core dumps.
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
from typing import Final

NOBODY: Final = 65_534
"""User and group of a signer that was started by root."""
_LOOPBACK: Final = "lo"
"""The only interface of a container without a network, which may not leave what it has not."""
_SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 4, 22, 38
_FILTER_MODE: Final = 2
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_EPERM: Final = 1
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32: Final = 0x40000000
"""From here on are the calls of another binary interface of x86-64, which nothing of ours makes."""
_CALLS: Final = {
    "x86_64": (
        0xC000003E,
        (
            *(2, 85, 257),  # open, creat, openat
            *(41, 42, 43, 49, 50, 53, 288),  # socket, connect, accept, bind, listen, -pair, accept4
            *(56, 57, 58, 59, 322),  # clone, fork, vfork, execve, execveat
            *(62, 101, 310, 311, 321),  # kill, ptrace, process_vm_readv, process_vm_writev, bpf
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(56,),  # openat
            *(198, 199, 200, 201, 202, 203, 242),  # socket, -pair, bind, listen, accept, connect, 4
            *(220, 221, 281),  # clone, execve, execveat
            *(117, 129, 270, 271, 280),  # ptrace, kill, process_vm_readv, process_vm_writev, bpf
        ),
    ),
}
"""By machine: its number in the kernel, and the calls that are refused."""
_EVERYWHERE: Final = (425, 434, 435, 437, 438)
"""io_uring_setup, pidfd_open, clone3, openat2, pidfd_getfd."""


def hide() -> None:
    """Let nobody but root look into this process; to be called before there is a key."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _prctl(_SET_DUMPABLE, 0)


def confine() -> tuple[str, ...]:
    """Give up all that signing needs not; returns the names of what was reached.

    Nothing can be opened, started, connected or imported after it.
    """
    reached = ["no core dumps"]
    if sys.platform != "linux":
        return tuple(reached)
    steps: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("network namespace of its own", _leave_network),
        ("user nobody", _become_nobody),
        ("hidden from its user", lambda: _prctl(_SET_DUMPABLE, 0)),
        ("no new privileges", lambda: _prctl(_SET_NO_NEW_PRIVS, 1)),
        ("no files, sockets or programs", _refuse_calls),
    )
    for name, step in steps:
        try:
            done = step()
        except (OSError, ValueError):
            done = False
        if done:
            reached.append(name)
    return tuple(reached)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int, more: object = 0) -> bool:
    return bool(_libc().prctl(option, ctypes.c_ulong(value), more, 0, 0) == 0)


def _leave_network() -> bool:
    libc = _libc()
    left = libc.unshare(_NEW_NET) == 0 or libc.unshare(_NEW_USER | _NEW_NET) == 0
    return left or {name for _, name in socket.if_nameindex()} == {_LOOPBACK}


def _become_nobody() -> bool:
    if os.geteuid() != 0:
        return False
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    return True


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _refuse_calls() -> bool:
    """Refuse the system calls that reach anything new (seccomp)."""
    if (known := _CALLS.get(platform.machine())) is None:
        return False
    code = seccomp_filter(*known)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    return _prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))


def seccomp_filter(architecture: int, calls: tuple[int, ...]) -> bytes:
    """Return the filter's instructions: a call of these, or of another architecture, is refused."""
    refused = (*calls, *_EVERYWHERE)
    lines = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, len(refused) + 1, 0, _X32),
    ]
    lines += [(_EQUAL, len(refused) - number, 0, call) for number, call in enumerate(refused)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
