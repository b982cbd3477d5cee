"""A line: what every program's connections to one service go through, and where they are cut.

Bytes pass unread. Cutting breaks what is open and refuses what is new; a silent cut breaks
nothing and lets nothing through, so that after healing everything goes on where it was.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TypeAlias

import structlog

from poolhand.devnet.faults.callers import Programs, is_meant, tcp_caller, unix_caller
from poolhand.devnet.faults.kinds import Partition
from poolhand.devnet.ports import LOOPBACK_ADDRESS
from poolhand.transport.acceptor import Acceptor, accept_streams, unix_listener
from poolhand.transport.listen import bind
from poolhand.transport.waiting import WaitingConnections, WaitingRoom

Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
DialPeer: TypeAlias = Callable[[], Awaitable[Stream]]
BYTES_PASSED_AT_ONCE: Final = 64 * 1024
SILENT_CALLERS: Final = WaitingRoom(per_address=256, in_all=256)
"""Connections whose caller has not said a word yet."""
FIRST_WORD: Final = 10.0
"""Seconds until it must have."""
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for 0 s: closing sends a reset."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class LineConnection:
    """One caller's connection; ``open`` is cleared while a silent cut holds it."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter | None = None
    caller: str | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        """All callers are of this machine."""
        return LOOPBACK_ADDRESS

    def evict(self) -> None:
        """Break it, to make room."""
        self.abort()

    def abort(self) -> None:
        """Break it at both ends."""
        for writer in (self.near, self.far):
            if writer is not None:
                _abort(writer)


class Line:
    """Forwards connections to one service; an async context manager.

    Args:
        service: Its name.
        near: Where callers dial: a TCP port on the loopback interface, or a Unix socket's path.
        dial: Opens a connection to the service itself.
        programs: Among whom callers are looked for.
        silent: How many callers may be connected without a word.
    """

    def __init__(
        self,
        service: str,
        near: int | Path,
        dial: DialPeer,
        programs: Programs,
        silent: WaitingRoom = SILENT_CALLERS,
    ) -> None:
        self.service = service
        self._near, self._dial, self._programs = near, dial, programs
        self._cuts: list[Partition] = []
        self._connections: set[LineConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent = WaitingConnections(silent)
        self._listener: socket.socket | None = None
        self._acceptor: Acceptor | None = None

    def cut(self, partition: Partition) -> None:
        """Keep a caller from the service until healed."""
        self._cuts.append(partition)
        for connection in tuple(self._connections):
            self._apply(connection)

    def heal(self, partition: Partition) -> None:
        """Let a caller through again; nothing is cut any more is fine, too."""
        with suppress(ValueError):
            self._cuts.remove(partition)
        for connection in self._connections:
            if self._cut_of(connection) is None:
                connection.open.set()

    def caller_at(self, port: int) -> str:
        """Name the program whose requests reach the service from this port of ours."""
        for each in self._connections:
            if each.far is not None and each.far.get_extra_info("sockname")[1] == port:
                return self._caller(each)
        return ""

    async def __aenter__(self) -> Self:
        near = self._near
        self._listener = (
            unix_listener(str(near)) if isinstance(near, Path) else bind(LOOPBACK_ADDRESS, near)
        )
        self._acceptor = accept_streams(
            self._listener, self._serve, shed=lambda: self._silent.shed(len(self._silent))
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._acceptor is not None
        assert self._listener is not None
        self._acceptor.close()
        self._listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        connection = LineConnection(near)
        connection.open.set()
        self._connections.add(connection)
        try:
            self._apply(connection)
            first = await self._first_word(reader, connection)
            await connection.open.wait()
            if first and not near.transport.is_closing():
                await self._forward(first, reader, connection)
        except OSError as fault:
            log.debug("line_broke", service=self.service, cause=str(fault), simulated=True)
        finally:
            self._silent.drop(connection)
            self._connections.discard(connection)
            connection.abort()

    async def _first_word(self, reader: asyncio.StreamReader, connection: LineConnection) -> bytes:
        """Wait for what the caller says first: who says nothing takes no service's time."""
        self._silent.touch(connection)
        async with asyncio.timeout(FIRST_WORD):
            said = await reader.read(BYTES_PASSED_AT_ONCE)
        self._silent.drop(connection)
        return said

    async def _forward(
        self, first: bytes, reader: asyncio.StreamReader, connection: LineConnection
    ) -> None:
        far_reader, connection.far = await self._dial()
        connection.far.write(first)
        there = asyncio.ensure_future(_pump(reader, connection.far, connection.open))
        back = asyncio.ensure_future(_pump(far_reader, connection.near, connection.open))
        try:
            await asyncio.gather(there, back)
            await connection.near.drain()
            connection.near.close()
            await connection.near.wait_closed()
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    def _apply(self, connection: LineConnection) -> None:
        """Do to a connection what the cuts in force say."""
        cut = self._cut_of(connection)
        if cut is None:
            return
        if cut.silent:
            connection.open.clear()
        else:
            connection.abort()

    def _cut_of(self, connection: LineConnection) -> Partition | None:
        """Return the hardest cut that concerns a connection."""
        found = [cut for cut in self._cuts if is_meant(cut.caller, self._caller(connection))]
        return min(found, key=lambda cut: cut.silent, default=None)

    def _caller(self, connection: LineConnection) -> str:
        """Find out once who calls; asked only while something is wrong."""
        if connection.caller is None:
            near = connection.near
            if isinstance(self._near, Path):
                connection.caller = unix_caller(near.get_extra_info("socket"), self._programs)
            else:
                ends = near.get_extra_info("peername"), near.get_extra_info("sockname")
                connection.caller = tcp_caller(*ends, self._programs)
        return connection.caller


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event
) -> None:
    """Carry bytes one way to the end, and the end itself."""
    while data := await reader.read(BYTES_PASSED_AT_ONCE):
        await is_open.wait()
        writer.write(data)
        await writer.drain()
    await is_open.wait()
    if writer.can_write_eof():
        writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    near = writer.get_extra_info("socket")
    if near is not None and near.family != socket.AF_UNIX:
        with suppress(OSError):  # closed already
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


def to_port(port: Callable[[], int]) -> DialPeer:
    """Dial a port of the loopback interface, asked for anew each time."""
    return lambda: asyncio.open_connection(LOOPBACK_ADDRESS, port())


def to_socket(path: Path) -> DialPeer:
    """Dial a Unix socket."""
    return lambda: asyncio.open_unix_connection(path)
