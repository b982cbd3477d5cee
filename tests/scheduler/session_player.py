"""A worker played by hand over the pool's real sessions, without a socket in between."""

from __future__ import annotations

from network.links import capabilities
from poolhand.domain.messages import Nonce
from poolhand.transport.plumbing import Outbox
from poolhand.wire.frames import Frame, decode
from poolhand.wire.messages import Capacity, Login, Ping, Reported, StatusReport


def with_sessions(world):
    """Let a running pool speak to its workers through its own sessions."""
    world.scheduler._hand_over = world.scheduler.sessions.tell
    return world.scheduler.sessions


class Player:
    """What the endpoint does for one connection, done by the test."""

    def __init__(self, world, wallet, slots=1) -> None:
        self.world, self.wallet, self.address = world, wallet, wallet.address
        self.slots, self.gpu, self.name = slots, False, "player"
        self.hub, self.heard, self._count = world.scheduler.sessions, [], {}

    async def joins(self, held=()):
        nonce, can = Nonce(bytes(32)), capabilities(self)
        login = Login(1, self.address, can, 0, nonce, bytes(65), None, held)
        await self.hub.gate.admit(login)
        self._link, self._sent = Outbox(1000), 0
        self.seat, _ = self.hub.admit(login, "memory", self._link)
        await self.world.settle()
        await self.pauses(None)
        return self

    async def says(self, message):
        self._sent += 1
        await self.hub.take(self.seat, Frame(message, self._sent, 0))
        await self.world.settle()

    async def beats(self):
        await self.hub.take(self.seat, Frame(Ping(0, self.world.clock.now())))

    async def pauses(self, reason):
        await self.says(Capacity(self.slots, reason is not None, reason))

    async def reports(self, task_id, *statuses):
        first = self._count.get(task_id, 0)
        self._count[task_id] = first + len(statuses)
        now = self.world.clock.now()
        entries = tuple(StatusReport(each, None, now, None, None) for each in statuses)
        await self.says(Reported(task_id, first, entries))

    def drops_its_cable(self):
        self.hub.detach(self.seat, self._link)

    def told(self):
        """Return what the pool has said, as far as this connection has carried it."""
        while self._link._frames:
            self.heard.append(decode(self._link._frames.popleft()).message)
        return self.heard

    def was_told(self, kind, task_id):
        return any(isinstance(m, kind) and m.task_id == task_id for m in self.told())
