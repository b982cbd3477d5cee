"""Ctrl-C of whoever watches something without end: heard, wherever Python happens to be."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noted_interrupts() -> Iterator[Callable[[], None]]:
    """Yield what raises KeyboardInterrupt where Ctrl-C was typed and nobody has heard of it.

    Python raises wherever it happens to be; in a destructor or a callback of a weak reference, as
    imports have them, the interpreter takes note of it and goes on.
    """
    typed = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal typed
        typed = True
        signal.default_int_handler(number, frame)

    def check() -> None:
        if typed:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check  # signals come to the main thread alone
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
