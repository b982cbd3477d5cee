"""Counts work instead of seconds: what grows with all there is shows whatever the machine's load.

Instructions of Python are counted, so that a loop shows which calls nothing, and calls of built-in
functions. What a built-in does inside (``sorted``, ``in``, ``min``) is one: use them on what is
bounded.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from poolhand.domain import ids


class Work:
    """Instructions and built-in calls so far."""

    def __init__(self) -> None:
        self.count = 0

    def trace(self, frame, event, _arg):
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        self.count += event == "opcode"
        return self.trace

    def profile(self, _frame, event, _arg):
        self.count += event == "c_call"


@contextmanager
def counted() -> Iterator[Work]:
    """Count what is done within, in this thread.

    The collector waits meanwhile: what it frees, and whom it tells, is work of other tests. Written
    addresses are forgotten first, or it would count which of them those tests had written.
    """
    ids._checksummed.cache_clear()
    work, before, collects = Work(), sys.gettrace(), gc.isenabled()
    gc.disable()
    sys.settrace(work.trace)
    sys.setprofile(work.profile)
    try:
        yield work
    finally:
        sys.setprofile(None)
        sys.settrace(before)
        if collects:
            gc.enable()


class Turns:
    """Counts what happens in one turn of the loop."""

    def __init__(self) -> None:
        self.now, self.most = 0, 0

    def count(self):
        if not self.now:
            asyncio.get_running_loop().call_soon(self._over)
        self.now += 1
        self.most = max(self.most, self.now)

    def _over(self):
        self.now = 0
