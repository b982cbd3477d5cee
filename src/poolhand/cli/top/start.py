"""``poolhand worker top``: the screen, or what it would show as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from poolhand.cli.worker_page import Page
from poolhand.domain.errors import Refused


class NoScreen(Refused):
    """There is no terminal to show anything live on."""

    def __init__(self) -> None:
        super().__init__(
            "a live view needs a terminal: type `poolhand worker top` in one; for a program, "
            "`poolhand worker top --json` tells the same once"
        )


def start(find: Callable[[], Page], *, as_json: bool) -> None:
    """Show a worker until the operator leaves.

    Args:
        find: Finds its page.
        as_json: Print what it tells now, and end.

    Raises:
        NoScreen: Input or output is no terminal.
        NoToken, WorkerSilent, NoWorkerRuns, SeveralWorkers: It cannot be shown.
    """
    if as_json:
        print(json.dumps(find().live(), indent=2))
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NoScreen
    find().live()  # what cannot be shown is told where it was typed
    from poolhand.cli.top.screen import TopScreen

    TopScreen(find).run()
