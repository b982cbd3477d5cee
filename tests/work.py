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
    """Instructions and built-in calls so far; those of some files left out."""

    def __init__(self, *but: str) -> None:
        self.count, self._but = 0, but
        self._files: dict[str, bool] = {}

    def trace(self, frame, event, _arg):
        if event == "call" and self._but and self._is_left_out(frame):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        self.count += event == "opcode"
        return self.trace

    def profile(self, frame, event, _arg):
        self.count += event == "c_call" and not (self._but and self._is_left_out(frame))

    def _is_left_out(self, frame) -> bool:
        """Whether it is of a file that is left out, or something that such a file calls."""
        return self._is_but(frame) or (frame.f_back is not None and self._is_but(frame.f_back))

    def _is_but(self, frame) -> bool:
        file = frame.f_code.co_filename
        known = self._files.get(file)
        if known is None:
            known = self._files[file] = any(part in file for part in self._but)
        return known


@contextmanager
def counted(*but: str) -> Iterator[Work]:
    """Count what is done within, in this thread.

    Args:
        but: Parts of paths of files whose own work is not counted, nor what they call: a fake may
            go through all that it has.

    The collector waits meanwhile: what it frees, and whom it tells, is work of other tests. Written
    addresses are forgotten first, or it would count which of them those tests had written.
    """
    ids._checksummed.cache_clear()
    work, before, collects = Work(*but), sys.gettrace(), gc.isenabled()
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
