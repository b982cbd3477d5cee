"""A worker played by hand over the pool's real sessions, without a socket in between."""

from __future__ import annotations

from network.links import capabilities
from poolhand.domain.messages import Nonce
from poolhand.wire.frames import decode
from poolhand.wire.messages import Capacity, Login, ReportBatch, StatusReport


def with_sessions(world):
    """Let a running pool speak to its workers through its own sessions."""
    world.scheduler.mail._hand_over = world.scheduler.sessions.tell
    return world.scheduler.sessions


class Kept:
    """An end of a connection that keeps what it is to carry."""

    def __init__(self) -> None:
        self.frames = []

    def put(self, text):
        self.frames.append(text)

    def end(self, farewell=None):
        self.frames += [farewell] if farewell else []


class Player:
    """What the endpoint does for one connection, done by the test."""

    def __init__(self, world, wallet, slots=1) -> None:
        self.world, self.wallet, self.address = world, wallet, wallet.address
        self.slots, self.gpu, self.name = slots, False, "player"
        self.hub, self.heard, self._count = world.scheduler.sessions, [], {}

    async def joins(self, held=()):
        nonce, can = Nonce(bytes(32)), capabilities(self)
        login = Login(2, self.address, can, 0, nonce, bytes(65), held)
        self.hub.gate.admit(login)
        self._outlet = Kept()
        self.session, _ = self.hub.admit(login, "memory", self._outlet)
        self.hub.arrived(self.session)
        await self.world.settle()
        await self.pauses(None)
        return self

    async def says(self, message):
        self.hub.take(self.session, message)
        await self.world.settle()

    async def beats(self):
        self.hub.hear(self.session)

    async def pauses(self, reason):
        await self.says(Capacity(reason))

    async def reports(self, task_id, *statuses, upload=None):
        first = self._count.get(task_id, 0)
        self._count[task_id] = first + len(statuses)
        now = self.world.clock.now()
        entries = tuple(StatusReport(each, now, None, None) for each in statuses)
        await self.says(ReportBatch(task_id, first, entries, upload))

    def drops_its_cable(self):
        self.hub.detach(self.session, self._outlet)

    def told(self):
        """Return what the pool has said, as far as this connection has carried it."""
        while self._outlet.frames:
            self.heard.append(decode(self._outlet.frames.pop(0)))
        return self.heard

    def was_told(self, kind, task_id):
        return any(isinstance(m, kind) and m.task_id == task_id for m in self.told())
