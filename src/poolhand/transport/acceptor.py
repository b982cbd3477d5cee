"""Taking connections: a loop of our own, which survives a process without descriptors.

asyncio's own accepts up to ``backlog`` times in a row and writes a traceback at each failure: with
no descriptor left it filled logs by megabytes a second. Here such a failure is told once a minute,
what waits for its peer is cut, and the next try comes a moment later.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

from poolhand.observe.outage_log import OutageLog

ServeStream: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CONNECTIONS_PER_TURN: Final = 16
"""Connections taken before others of the loop have their turn."""
PAUSE_WITHOUT_DESCRIPTORS: Final = 0.2
"""Seconds until the next try where there was no descriptor left."""
_SPENT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def descriptor_outage() -> OutageLog:
    """Return what a service says when it can open nothing more."""
    return OutageLog(
        "connections_refused",
        "connections_taken",
        acts="operator of this program",
        next_step="let it open more files (ulimit -n, LimitNOFILE of systemd), or find out who "
        "holds its connections",
    )


class Acceptor:
    """Takes connections from a listening socket until closed; as ``asyncio.Server`` has it.

    Args:
        listener: Bound and listening; stays the caller's.
        factory: Makes the protocol of one connection.
        outage: Told while no connection can be taken.
        shed: Called then, to make room.
    """

    def __init__(
        self,
        listener: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        outage: OutageLog,
        shed: Callable[[], None] = lambda: None,
    ) -> None:
        self._listener, self._factory = listener, factory
        self._outage, self._shed = outage, shed
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Take no more; connections that are open stay; repeatable."""
        if self._pause is not None:
            self._pause.cancel()
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Wait for connections that are just being opened."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(CONNECTIONS_PER_TURN):
            try:
                taken, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as fault:
                self._rest(fault)
                return
            self._outage.over()
            opening = self._loop.create_task(self._open(taken))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    def _rest(self, fault: OSError) -> None:
        self._outage.tell(fault.strerror or fault)
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(PAUSE_WITHOUT_DESCRIPTORS, self._resume)
        if fault.errno in _SPENT:
            self._shed()

    async def _open(self, taken: socket.socket) -> None:
        try:
            _send_at_once(taken)
            await self._loop.connect_accepted_socket(self._factory, taken)
        except OSError:
            taken.close()  # gone before it was ours


def _send_at_once(taken: socket.socket) -> None:
    """Switch Nagle's algorithm off: the body of an answer waited 40 ms for its head's receipt.

    asyncio does so itself only where a socket names TCP, which those of a listener of ours do not.
    """
    if taken.family != socket.AF_UNIX:
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def accept_streams(
    listener: socket.socket,
    serve: ServeStream,
    *,
    shed: Callable[[], None] = lambda: None,
    limit: int = 65_536,
) -> Acceptor:
    """Take connections as ``asyncio.start_server`` does: ``serve`` gets reader and writer of each.

    Args:
        listener: Bound and listening; stays the caller's.
        serve: Called for each connection; its own fault ends that connection alone.
        shed: Called to make room where no descriptor is left.
        limit: Bytes of a line that a reader holds.
    """

    def protocol() -> asyncio.Protocol:
        reader = asyncio.StreamReader(limit=limit)
        return asyncio.StreamReaderProtocol(reader, serve)

    return Acceptor(listener, protocol, descriptor_outage(), shed)


def unix_listener(path: str) -> socket.socket:
    """Listen at a Unix socket; what a dead program left there is replaced.

    Raises:
        OSError: The place cannot be had.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - a path below /proc/self/fd stays a text
        listener.bind(path)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener
