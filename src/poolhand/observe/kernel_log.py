"""Whom the kernel has killed for want of memory, by its own log, where this program may read it.

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
_KILLED: Final = re.compile(rb"[Kk]illed process (\d+)\b")


def short_of_memory(log: Path = KERNEL_LOG, namespace: Path = PROCESS_NAMESPACE) -> set[int] | None:
    """Return the processes that were killed for want of memory, as far back as the log goes.

    None where it cannot be read, or counts other processes than this program does.
    """
    try:
        if str(namespace.readlink()) != _FIRST:
            return None
        handle = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return {int(found) for record in _records(handle) for found in _KILLED.findall(record)}
    finally:
        os.close(handle)


def _records(handle: int) -> Iterator[bytes]:
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
