"""The network between one pool and its workers: sessions in memory, cut, held or lost at will.

Every message passes the real codec. Sessions keep the promises of ``transport.session_hub``: in
order, ``connected`` first and ``lost`` last.
"""

from __future__ import annotations

import asyncio
from collections import deque

from poolhand.domain.messages import Nonce
from poolhand.transport.session_hub import Arrival, WorkerAway
from poolhand.wire.frames import decode, encode
from poolhand.wire.messages import Capabilities, Welcome
from poolhand.wire.session import HEARTBEAT, WORKER_LEASE

RESULTS = "http://results.test"


class Inbox:
    """Items for one reader, which may be told to wait."""

    def __init__(self) -> None:
        self._items, self._ready, self.is_held = deque(), asyncio.Event(), False

    def put(self, item) -> None:
        self._items.append(item)
        self._ready.set()

    def release(self) -> None:
        self.is_held = False
        self._ready.set()

    async def take(self):
        while self.is_held or not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()


LOST = object()


class Session:
    """One worker's session: an inbox at each end.

    ``is_ready`` once the worker has been told of it: before, what it says is dropped, for it then
    tells everything again.
    """

    def __init__(self, node) -> None:
        self.node, self.to_node, self.to_pool = node, Inbox(), Inbox()
        self.is_open, self.is_ready = True, False

    def hold(self) -> None:
        """Let messages of both sides wait: a connection that broke within its lease."""
        self.to_node.is_held = self.to_pool.is_held = True

    def release(self) -> None:
        self.to_node.release()
        self.to_pool.release()


class Exchange:
    """All sessions."""

    def __init__(self, world) -> None:
        self._world, self._sessions, self.puppets = world, {}, {}
        self.heard = []

    def session(self, node) -> Session | None:
        return self._sessions.get(node.address)

    # ---------------------------------------------------------------------------------- connecting

    def dial(self, node) -> None:
        """Open a new session if both ends are there; one that was open is superseded."""
        if not (node.is_up and self._world.pool.is_open) or node.is_cut:
            return
        self.lose(node)
        session = self._sessions[node.address] = Session(node)
        node.listen(session)
        self._world.pool.attend(session)
        session.to_pool.put(
            Arrival(
                node.address,
                capabilities=capabilities(node),
                replicates=node.member.held(),
                address="memory",
                at=self._world.clock.now(),
            )
        )
        session.to_node.put(welcome())

    def lose(self, node) -> None:
        """End a session as an expired lease does: both ends learn of it, what waits is dropped."""
        session = self._sessions.pop(node.address, None)
        if session is not None:
            session.is_open = False
            session.release()
            session.to_pool.put(LOST)
            session.to_node.put(LOST)

    def pool_died(self) -> None:
        """Tell every worker that the pool is gone."""
        for session in self._sessions.values():
            session.is_open = False
            session.release()
            session.to_node.put(LOST)
        self._sessions.clear()

    # -------------------------------------------------------------------------------------- talking

    def tell(self, worker, message) -> None:
        """Hand a message of the pool's over; puppets are workers that a test plays by hand."""
        if worker in self.puppets:
            self.puppets[worker].append(passed(message))
            return
        session = self._sessions.get(worker)
        if session is None:
            raise WorkerAway(f"worker {worker} has no session")
        session.to_node.put(passed(message))

    def send(self, node, message) -> None:
        """Hand a message of a worker's over; ``heard`` has all, whether there was a session."""
        self.heard.append((node, passed(message)))
        session = self._sessions.get(node.address)
        if session is not None and session.is_ready:
            session.to_pool.put(passed(message))


def passed(message):
    """Return a message as the other side reads it."""
    return decode(encode(message))


def capabilities(node) -> Capabilities:
    can = Capabilities(
        name=node.name,
        version="0",
        cpus=getattr(node, "cpus", 256),
        slots=node.slots,
        memory=2**30,
        tee=(),
        gpu=node.gpu,
        instance=Nonce(bytes(32)),
    )
    return node.claims(can) if hasattr(node, "claims") else can


def welcome() -> Welcome:
    return Welcome(WORKER_LEASE, HEARTBEAT, RESULTS, 0, bytes(65))
