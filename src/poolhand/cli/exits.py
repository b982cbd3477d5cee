"""Exit codes: the one table from which help, documentation and tests are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOT_COMPLETED: Final = 1
NOT_REPLAYED: Final = 1
USAGE: Final = 2
BUG: Final = 70
INTERRUPTED: Final = 130

EXITS: Final[Mapping[int, str]] = {
    0: "done",
    1: "a task that was waited for failed, a journal did not replay, or a check failed",
    2: "asked wrongly: the message says what to change",
    3: "a peer broke the protocol, or delivered something forged",
    4: "something out there does not answer: try again later",
    5: "the chain moved meanwhile, or it is too early: look again",
    BUG: "a bug of ours: the message names a trace file to report",
    INTERRUPTED: "interrupted by Ctrl-C",
}
"""Exit code to meaning."""
