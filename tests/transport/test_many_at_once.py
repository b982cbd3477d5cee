"""However many workers come or speak at once: a part of them is heard in one turn of the loop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from session_world import Gate, capacity, ground, until

from poolhand.transport.session_hub import LOGINS_PER_TURN, MESSAGES
from poolhand.wire.frames import encode
from work import Turns

WORKERS = 60


@dataclass
class CountingGate(Gate):
    """Counts whom it looks at, and what it hears, by turns of the loop."""

    logins: Turns = field(default_factory=Turns)
    messages: Turns = field(default_factory=Turns)

    def admit(self, login) -> None:
        self.logins.count()
        super().admit(login)

    def received(self, worker, message) -> None:
        self.messages.count()
        super().received(worker, message)


async def test_many_that_log_in_and_speak_at_once_are_heard_a_part_per_turn():
    gate = CountingGate()
    async with ground(gate=gate, greetings_per_address=100) as g, AsyncExitStack() as stack:
        raw = [stack.enter_async_context(g.raw(number + 2)) for number in range(WORKERS)]
        sockets = await asyncio.gather(*raw)
        await asyncio.gather(*(socket.send(encode(capacity(1))) for socket in sockets))
        await until(lambda: sum(entry[0] == "received" for entry in gate.log) == WORKERS)
        assert 1 <= gate.logins.most <= 2 * LOGINS_PER_TURN
        assert 1 <= gate.messages.most <= 2 * MESSAGES
