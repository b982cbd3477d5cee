"""A filter of system calls (seccomp) for a process that has all it needs: nothing new is reached.

Refused is what opens or changes by a path, starts programs or threads, listens, reaches other
processes, or enters parts of the kernel that have been broken into again and again. Calls that are
newer than this list do not exist for the process. Sockets are refused, or are of TCP alone: a
family that is not named here (``AF_UNIX`` leads to a container engine, ``AF_NETLINK`` into the
kernel) has none.

Source: seccomp(2), socket(2), bpf of Linux; asm/unistd_64.h, asm-generic/unistd.h. The kernel reads
32 bits of a socket's arguments, and so does the filter.
"""

from __future__ import annotations

import errno
import struct
from typing import Final, NamedTuple

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_X32: Final = 0x40000000
"""From here on are the calls of another binary interface of x86-64, which nothing of ours makes."""
_NEWER: Final = 451
"""The first call that this list does not know; numbers are the same everywhere since 424."""
_NUMBER, _MACHINE, _FAMILY, _TYPE, _PROTOCOL = 0, 4, 16, 24, 32
"""Where the kernel tells them."""
_INET, _INET6, _STREAM, _KIND, _ANY_PROTOCOL, _TCP = 2, 10, 1, 0xF, 0, 6


class CallNumbers(NamedTuple):
    """A kernel's name for itself, its ``socket`` and ``connect``, and the calls it refuses."""

    name: int
    socket: int
    connect: int
    calls: tuple[int, ...]


MACHINES: Final = {
    "x86_64": CallNumbers(
        0xC000003E,
        41,
        42,
        (
            *(2, 85, 257, 303, 304),  # open, creat, openat, and by handles
            *(87, 263, 82, 264, 316),  # unlink, -at, rename, -at, -at2
            *(83, 258, 84, 86, 265, 88, 266, 133, 259),  # mkdir, rmdir, link, symlink, mknod
            *(76, 90, 268, 92, 94, 260),  # truncate, chmod, chown
            *(132, 235, 261, 280, 188, 189, 197, 198),  # times and attributes
            *(43, 49, 50, 53, 288),  # accept, bind, listen, socketpair, accept4
            *(56, 57, 58, 59, 322),  # clone, fork, vfork, execve, execveat
            *(62, 200, 234, 129, 297, 101, 310, 311, 312),  # signals, ptrace, others' memory
            *(302, 141, 251, 203, 144, 142, 314, 256, 279),  # others' limits and turns
            *(321, 298, 323, 248, 249, 250),  # bpf, perf, userfaultfd, keyrings
            *(272, 308, 161, 155, 165, 166),  # namespaces and mounts
            *(29, 68, 64, 240, 294, 300, 319),  # shared memory, queues, watches, memfd
        ),
    ),
    "aarch64": CallNumbers(
        0xC00000B7,
        198,
        203,
        (
            *(56, 264, 265),  # openat, and by handles
            *(35, 38, 276),  # unlinkat, renameat, -at2
            *(34, 37, 36, 33),  # mkdirat, linkat, symlinkat, mknodat
            *(45, 53, 54),  # truncate, fchmodat, fchownat
            *(88, 5, 6, 14, 15),  # times and attributes
            *(199, 200, 201, 202, 242),  # socketpair, bind, listen, accept, accept4
            *(220, 221, 281),  # clone, execve, execveat
            *(129, 130, 131, 138, 240, 117, 270, 271, 272),  # signals, ptrace, others' memory
            *(261, 140, 30, 122, 119, 118, 274, 238, 239),  # others' limits and turns
            *(280, 241, 282, 217, 218, 219),  # bpf, perf, userfaultfd, keyrings
            *(97, 268, 51, 41, 40, 39),  # namespaces and mounts
            *(194, 186, 190, 180, 26, 262, 279),  # shared memory, queues, watches, memfd
        ),
    ),
}
"""By the name that Python has for it."""
_EVERYWHERE: Final = (
    *(424, 434, 438, 440, 448),  # pidfd_send_signal, _open, _getfd, process_madvise, _mrelease
    *(425, 426, 427),  # io_uring
    *(428, 429, 430, 431, 432, 433, 442),  # mounts
    *(435, 437),  # clone3, openat2
)


class _Instruction(NamedTuple):
    """One instruction; where a comparison leads is a label, empty: on."""

    code: int
    value: int
    then: str = ""
    label: str = ""


def call_filter(machine: CallNumbers, *, tcp: bool) -> bytes:
    """Return the filter's instructions.

    Args:
        machine: Whose numbers count; another one's call ends the process.
        tcp: Whether sockets of TCP are made and connected.
    """
    sockets = () if tcp else (machine.socket, machine.connect)
    program = [
        _Instruction(_LOAD, _MACHINE),
        _Instruction(_EQUAL, machine.name, "known"),
        _Instruction(_RETURN, _KILL),
        _Instruction(_LOAD, _NUMBER, label="known"),
        _Instruction(_AT_LEAST, _X32, "refuse"),
        _Instruction(_AT_LEAST, _NEWER, "unknown"),
        *(
            _Instruction(_EQUAL, call, "refuse")
            for call in (*sockets, *machine.calls, *_EVERYWHERE)
        ),
        _Instruction(_EQUAL, machine.socket, "socket"),
        _Instruction(_RETURN, _ALLOW, label="allow"),
        _Instruction(_LOAD, _FAMILY, label="socket"),
        _Instruction(_EQUAL, _INET, "stream"),
        _Instruction(_EQUAL, _INET6, "stream"),
        _Instruction(_RETURN, _ERRNO | errno.EPERM, label="refuse"),
        _Instruction(_RETURN, _ERRNO | errno.ENOSYS, label="unknown"),
        _Instruction(_LOAD, _TYPE, label="stream"),
        _Instruction(_AND, _KIND),
        _Instruction(_EQUAL, _STREAM, "protocol"),
        _Instruction(_RETURN, _ERRNO | errno.EPERM),
        _Instruction(_LOAD, _PROTOCOL, label="protocol"),
        _Instruction(_EQUAL, _ANY_PROTOCOL, "good"),
        _Instruction(_EQUAL, _TCP, "good"),
        _Instruction(_RETURN, _ERRNO | errno.EPERM),
        _Instruction(_RETURN, _ALLOW, label="good"),
    ]
    places = {line.label: number for number, line in enumerate(program) if line.label}
    jumps = [
        places[line.then] - number - 1 if line.then else 0 for number, line in enumerate(program)
    ]
    return b"".join(
        struct.pack("=HBBI", line.code, jump, 0, line.value)
        for line, jump in zip(program, jumps, strict=True)
    )
