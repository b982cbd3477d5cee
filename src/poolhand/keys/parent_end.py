"""Ending with the process that started this one, also while this one hangs.

Who reads its line learns of the other end's death there. Who hangs does not, and where the other
end was killed outright nobody is left to stop it. So the kernel does (Linux), or a thread that
looks now and then: that one works as long as Python runs here at all.

Source: prctl(2), PR_SET_PDEATHSIG: a child does not inherit it, and changing user or namespace
forgets it; a parent that had died before is told nobody. poll(2).
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from threading import Thread
from time import sleep
from typing import Final, TypeAlias

from poolhand.keys.confinement import prctl

PARENT_GONE: Final = 4
"""Exit code of a process whose parent was found gone."""
_SET_DEATH_SIGNAL: Final = 1
_PAUSE_BETWEEN_PARENT_LOOKS: Final = 1.0
"""Seconds between two looks, where no kernel tells."""
_GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL

IsGone: TypeAlias = Callable[[], bool]
"""Whether the parent has ended."""


def end_with_parent(is_gone: IsGone) -> None:
    """Have this process ended once its parent is gone; to be called first of all.

    The parent is the thread that started this process: a main thread, which ends with its program.
    """
    if sys.platform == "linux":
        ask_kernel(is_gone)
        return
    Thread(target=keep_looking, args=(is_gone,), daemon=True).start()


def ask_kernel(is_gone: IsGone) -> None:
    """Ask for it again, where the kernel does it: it forgets that once rights are given up."""
    if sys.platform == "linux":
        prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if is_gone():  # before the kernel knew
            os._exit(PARENT_GONE)


def keep_looking(is_gone: IsGone) -> None:
    """End this process once its parent is gone, whatever its other threads do."""
    while not is_gone():
        sleep(_PAUSE_BETWEEN_PARENT_LOOKS)
    os._exit(PARENT_GONE)


def hung_up(line: int) -> IsGone:
    """Return whether the other end of a stream socket is closed, read or not.

    Args:
        line: Its descriptor; nobody but the parent has the other end.
    """
    poll = select.poll()
    poll.register(line, select.POLLHUP)
    return lambda: any(event & _GONE for _, event in poll.poll(0))


def left_by(parent: int) -> IsGone:
    """Return whether this process is no longer the child of a process."""
    return lambda: os.getppid() != parent
