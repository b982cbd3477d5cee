"""The line between a worker and the process that downloads for it: messages, and open files.

A descriptor goes with a message (``SCM_RIGHTS`` of a Unix socket), never with another one: those
that came are taken in the order of the messages that bring one.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar

from poolhand.domain.errors import Malformed
from poolhand.wire.own_line import LENGTH_BYTES, LineCodec

LINE_READ_SIZE: Final = 65_536
"""Bytes that are read at a time."""
DESCRIPTORS_PER_READ: Final = 8
"""Descriptors that are taken with one read; the kernel passes those of one message at a time."""

MessageT = TypeVar("MessageT")


class DescriptorLine(Generic[MessageT]):
    """One end of it; ``write`` has to run for what is ``put`` to be sent.

    Args:
        line: A connected Unix stream socket; it is closed with this object.
        codec: Of its messages.
        takes_files: Whether descriptors are taken; else those that come are closed by the kernel.
    """

    def __init__(
        self, line: socket.socket, codec: LineCodec[MessageT], *, takes_files: bool
    ) -> None:
        line.setblocking(False)
        self._line, self._codec, self._takes = line, codec, takes_files
        self._outgoing: asyncio.Queue[tuple[bytes, int | None]] = asyncio.Queue()
        self._read, self._files = bytearray(), deque[int]()

    def put(self, message: MessageT, descriptor: int | None = None) -> None:
        """Send a message after those before, with a copy of a descriptor.

        Raises:
            Malformed: A member of it is over its limit; nothing is sent.
        """
        frame = self._codec.frame(message)
        self._outgoing.put_nowait((frame, None if descriptor is None else os.dup(descriptor)))

    async def write(self) -> None:
        """Send what is put, until cancelled; raises OSError once nobody is there."""
        loop = asyncio.get_running_loop()
        while True:
            frame, descriptor = await self._outgoing.get()
            try:
                send = partial(self._send, frame, descriptor)
                sent = await self._patiently(send, loop.add_writer, loop.remove_writer)
            finally:
                if descriptor is not None:
                    os.close(descriptor)
            await loop.sock_sendall(self._line, frame[sent:])

    def _send(self, frame: bytes, descriptor: int | None) -> int:
        if descriptor is None:
            return self._line.send(frame)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
        return self._line.sendmsg([frame], [rights])

    async def receive(self) -> MessageT | None:
        """Wait for a message; None once the other end is closed.

        Raises:
            Malformed: What came is no message, is too long, or was cut off.
            OSError: The line is broken.
        """
        head = await self._exactly(LENGTH_BYTES)
        if not head:
            return None
        data = await self._exactly(self._codec.length(head))
        if not data:
            raise Malformed("a message on the fetcher's line was cut off")
        return self._codec.decode(data)

    def take(self) -> int:
        """Return the descriptor that came with the last message; raises Malformed if none did."""
        if not self._files:
            raise Malformed("a message that brings a file came without")
        return self._files.popleft()

    async def _exactly(self, size: int) -> bytes:
        """Read so many bytes; none where the end came first."""
        while len(self._read) < size:
            loop = asyncio.get_running_loop()
            more = await self._patiently(self._receive, loop.add_reader, loop.remove_reader)
            if not more:
                if self._read:
                    raise Malformed("a message on the fetcher's line was cut off")
                return b""
            self._read += more
        found = bytes(self._read[:size])
        del self._read[:size]
        return found

    def _receive(self) -> bytes:
        if not self._takes:
            return self._line.recv(LINE_READ_SIZE)
        data, files, flags, _ = socket.recv_fds(self._line, LINE_READ_SIZE, DESCRIPTORS_PER_READ)
        self._files += files
        if flags & socket.MSG_CTRUNC:
            raise Malformed("a message on the fetcher's line brings too many files")
        return data

    async def _patiently(
        self, act: Callable[[], Any], watch: Callable[..., Any], leave: Callable[..., Any]
    ) -> Any:
        """Return what ``act`` does, once the socket lets it."""
        while True:
            try:
                return act()
            except BlockingIOError:
                ready = asyncio.get_running_loop().create_future()
                watch(self._line, _settle, ready)
                try:
                    await ready
                finally:
                    leave(self._line)

    def close(self) -> None:
        """Close it, and the files that nobody has taken."""
        self._line.close()
        while not self._outgoing.empty():
            _, descriptor = self._outgoing.get_nowait()
            if descriptor is not None:
                os.close(descriptor)
        while self._files:
            os.close(self._files.popleft())


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
