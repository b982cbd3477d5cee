"""The worker's end of the WebSocket: a pool that floods it, or reads nothing, is left.

The library answers each ping at once, whether or not the pool reads, and follows redirects to
wherever the pool says. Here frames and bytes of every kind count, what the pool does not take is
bounded, and a redirect is an answer like any other that is no WebSocket.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import CloseCode

from poolhand.domain.errors import PeerFault
from poolhand.transport.metering import SLICE, FrameMeter, SocketLimits


class GuardedClient(ClientConnection):
    """A connection that is cut when its peer sends too much or takes nothing.

    Attributes:
        fault: What the pool did; None as long as it is well.
        heard: Whether anything has come since this was last set to False.
    """

    def __init__(self, limits: SocketLimits, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._unread = limits.unread
        self._meter = FrameMeter(limits, self.loop.time())
        self._meter.log_in(self.loop.time())
        self._frames = 0
        self.fault: PeerFault | None = None
        self.heard = False

    def data_received(self, data: bytes) -> None:
        """Take bytes in slices, so that what is too much is not even parsed."""
        self.heard = True
        for start in range(0, len(data), SLICE):
            if self.fault is not None:
                return
            piece = data[start : start + SLICE]
            self._frames = 0
            super().data_received(piece)
            self._check(len(piece))

    def process_event(self, event: Any) -> None:
        """Count a frame, whatever it is."""
        self._frames += 1
        super().process_event(event)

    def _check(self, size: int) -> None:
        try:
            self._meter.count(self._frames, size, self.loop.time())
        except PeerFault as fault:
            self._leave(fault)
        if self.transport.get_write_buffer_size() > self._unread:
            self._leave(PeerFault("the pool does not read what it is sent"))

    def _leave(self, fault: PeerFault) -> None:
        self.fault = fault
        self.protocol.fail(CloseCode.POLICY_VIOLATION)
        self.transport.abort()


class Dial(connect):
    """Opens a guarded connection, to the very address that was given."""

    def __init__(self, uri: str, limits: SocketLimits, **more: Any) -> None:
        guarded: Any = partial(GuardedClient, limits)
        super().__init__(uri, create_connection=guarded, **more)

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow none: a pool does not choose where its workers connect."""
        return exc
