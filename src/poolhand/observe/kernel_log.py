"""Who was short of memory, by the kernel's own log, where this program may read it.

The count of ``/proc/vmstat`` is that of the whole machine: an app that outgrew its container in the
same seconds counts in it, too. The log names processes; it is for root, and a program in another
process namespace (a container) is known there by a number that it does not know itself.

Source: Linux, ``Documentation/ABI/testing/dev-kmsg``, ``mm/oom_kill.c`` ("Killed process"), and
``include/linux/proc_ns.h`` for the first namespace's number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

KERNEL_LOG: Final = Path("/dev/kmsg")
PROCESS_NAMESPACE: Final = Path("/proc/self/ns/pid")
_FIRST: Final = "pid:[4026531836]"
_RECORD: Final = 8_192
"""Bytes of the longest record."""
_OUTGROWN: Final = re.compile(
    rb"oom-kill:constraint=CONSTRAINT_MEMCG,[^;]*?,oom_memcg=([^,]+),task_memcg="
)
"""Of a control group that outgrew its own limit; the machine's want of memory names no group."""
_NUMBER: Final = re.compile(rb"\d+,(\d+),")
"""Of a record: its level, then its number, counted from the machine's start."""
_KILLED: Final = re.compile(rb"[Kk]illed process (\d+)\b")


def short_of_memory(
    log: Path = KERNEL_LOG, namespace: Path = PROCESS_NAMESPACE, *, after: int = -1
) -> set[int] | None:
    """Return the processes that were killed because memory ran out.

    None where the log cannot be read, or counts other processes than this program does.

    Args:
        log: Of the kernel.
        namespace: Of this program's processes.
        after: Number of a record; older kills do not count: numbers of processes are given again.
    """
    try:
        if str(namespace.readlink()) != _FIRST:
            return None
        newer = (record for record in _records(log) if _number(record) > after)
        return {int(found) for record in newer for found in _KILLED.findall(record)}
    except OSError:
        return None


def newest_record(log: Path = KERNEL_LOG) -> int | None:
    """Return the number of the newest record; None where there is none, or none for us."""
    try:
        return max(map(_number, _records(log)), default=None)
    except OSError:
        return None


def outgrew_memory(container: str, log: Path = KERNEL_LOG) -> bool:
    """Tell whether a container was short of the memory that it may have, as far as the log goes.

    The kernel writes the line before it kills, so it is there when the container has ended. False
    where the log cannot be read, or is another machine's.

    Args:
        container: Its whole id, by which engines name control groups; of none it says False.
        log: Of the kernel.
    """
    named = container.encode()
    try:
        groups = (_OUTGROWN.search(record) for record in _records(log)) if named else ()
        return any(found is not None and named in found[1] for found in groups)
    except OSError:
        return False


def _number(record: bytes) -> int:
    """Return a record's number; 0 if it does not tell."""
    found = _NUMBER.match(record)
    return int(found[1]) if found else 0


def _records(log: Path) -> Iterator[bytes]:
    """Yield the records; raises OSError where there are none for us."""
    handle = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield from _read(handle)
    finally:
        os.close(handle)


def _read(handle: int) -> Iterator[bytes]:
    while True:
        try:
            record = os.read(handle, _RECORD)
        except BrokenPipeError:  # the next record was written over meanwhile
            continue
        except OSError:  # BlockingIOError: that was the newest
            return
        if not record:
            return
        yield record
