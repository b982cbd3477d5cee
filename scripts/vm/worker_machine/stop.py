"""*Stop Worker*: `poolhand worker stop`, which tells what is held until when, and waits for it."""

from __future__ import annotations

import sys
from functools import partial
from typing import Final

from .launch import TO_CLOSE, Window
from .places import MachinePlaces, call_poolhand

STOPPED: Final = "Launch Worker starts it again; so does the next start of this machine."
GOES_ON: Final = (
    "To end a worker at once, which may cost the stake of what it holds, type in a terminal: "
    "stop-worker --now"
)


def stop(places: MachinePlaces, window: Window, *, now: bool) -> int:
    """Let the worker finish what it holds; return the exit code of `poolhand worker stop`."""
    words = ("worker", "stop", "--base", str(places.workers), *(("--now",) if now else ()))
    done = window.poolhand(words)
    window.say(GOES_ON if done else STOPPED)
    window.ask(TO_CLOSE)
    return done


def main() -> int:
    """Run in the window that the icon opened, as root."""
    places = MachinePlaces()
    window = Window(print, input, partial(call_poolhand, places))
    try:
        return stop(places, window, now="--now" in sys.argv[1:])
    except (EOFError, KeyboardInterrupt):
        return 0


if __name__ == "__main__":
    sys.exit(main())
