"""Which replicate brings its program down: decided from what was at work when it ended suddenly.

A program that is killed from outside, or whose machine loses power, has no replicate to blame, and
of several at work one may be guilty and the others just be there. So:

1. Only sudden ends count, of which there is evidence: an error that nobody expected, a crash of the
   interpreter, the kernel short of memory (``worker.life``); a kill from outside leaves none.
2. They count against stages that were at work, and only while a stage makes no progress: an end of
   the stage, or a minute at work, clears it.
3. One such end is chance: all go on together. After the second under the same stage, who is alone
   under suspicion is guilty; of several each is tried without the others, and who falls then is.

An innocent replicate that is shut away all the same (memory may be short for other reasons) loses
at most its reward, for its stake is looked after. What brings the program down more slowly ends
with its deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.model import SUSPICIOUS, Replicate
from poolhand.domain.units import Seconds

OUTLIVED: Final = Seconds(60)
"""At work for so long without a sudden end, a stage is cleared."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``guilty`` are to be quarantined; ``suspects`` are to be tried, one after another."""

    guilty: tuple[TaskId, ...]
    suspects: tuple[TaskId, ...]


def judge(held: Mapping[TaskId, Replicate]) -> Verdict:
    """Judge all that is held after a start, once the sudden end before it has been counted."""
    fallen = {task_id: each.trouble.falls for task_id, each in held.items()}
    suspected = tuple(name for name, falls in fallen.items() if falls >= SUSPICIOUS)
    guilty = tuple(name for name in suspected if fallen[name] > SUSPICIOUS or len(suspected) == 1)
    return Verdict(guilty, tuple(name for name in suspected if name not in guilty))


def words(replicate: Replicate) -> str:
    """Say why a replicate is quarantined."""
    work = replicate.running or "cleaning up"
    return (
        f"quarantined: the worker ended suddenly {replicate.trouble.falls} times within the first "
        f"{OUTLIVED} s of this task's {work}; only its stake is looked after"
    )
