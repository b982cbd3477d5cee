"""How a scheduler starts.

It replays its journal, catches up with the chain, resumes what is outstanding, and only then lets
workers in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StartUp:
    """What is done at a start, step by step; within a step in the order in which it stands.

    Attributes:
        replay: Rebuilds what the journal holds; nothing is acted on.
        catch_up: Reads what the chain says, for as long as it takes.
        recover: Takes note of all that is known now.
        keep: Runs for ever, from here on.
        resume: Acts on what is outstanding, and on whatever comes.
    """

    replay: Sequence[Callable[[], None]]
    catch_up: Sequence[Callable[[], Awaitable[None]]]
    recover: Sequence[Callable[[], None]]
    keep: Sequence[Callable[[], Coroutine[Any, Any, None]]]
    resume: Sequence[Callable[[], None]]

    async def run(self, caught_up: Callable[[], None]) -> None:
        """Take every step, and go on until cancelled.

        Args:
            caught_up: Called once, when workers may be let in.
        """
        for replay in self.replay:
            replay()
        async with asyncio.TaskGroup() as tasks:
            for catch_up in self.catch_up:
                await catch_up()
            for recover in self.recover:
                recover()
            for keep in self.keep:
                tasks.create_task(keep())
            for resume in self.resume:
                resume()
            caught_up()
