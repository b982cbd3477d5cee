"""What the screen is told, by a thread that waits for the worker's next word."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from poolhand.cli.worker_page import Page
from poolhand.domain.errors import PoolhandError

PAUSE_BETWEEN_WORKER_SEARCHES: Final = 2.0
"""Seconds after which a worker that did not answer is looked for anew."""


class LiveFollower:
    """Follows a worker, over its restarts.

    Args:
        find: Finds its page; a worker has a new token after each start.
        show: Is told what there is now, in the thread that follows.
        say: Is told why nothing is told.
    """

    def __init__(
        self,
        find: Callable[[], Page],
        show: Callable[[dict[str, Any]], None],
        say: Callable[[PoolhandError], None],
    ) -> None:
        self._find, self._show, self._say = find, show, say
        self._ended = threading.Event()

    def start(self) -> None:
        """Follow from now on; the process may end whatever the worker does."""
        threading.Thread(target=self._follow, name="live-follower", daemon=True).start()

    def end(self) -> None:
        """Tell nothing more."""
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                for told in self._find().changes():
                    if self._ended.is_set():
                        return
                    self._show(told)
            except PoolhandError as fault:
                if not self._ended.is_set():
                    self._say(fault)
            self._ended.wait(PAUSE_BETWEEN_WORKER_SEARCHES)
