"""Our end of a worker's WebSocket: every frame and byte counts, and nothing waits for ever.

uvicorn's own protocol answers each ping whether or not the peer reads, keeps every fragment, and
closes with patience. This one counts first (``FrameMeter``), holds the login to its time whatever
is sent, and cuts a peer that does not take what it is sent. The application learns the cause from
``Guard``, which stands in the connection's scope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from poolhand.domain.errors import Malformed, PeerFault
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.transport.metering import SLICE, FrameMeter, SocketLimits

GUARD: Final = "poolhand.guard"
"""Where the ``Guard`` stands among the extensions of a connection's scope."""
GOING, POLICY = 1000, 1008
"""WebSocket close codes (RFC 6455, section 7.4.1): as usual; the peer broke a rule."""


class Guard:
    """What the application and the connection tell each other.

    Attributes:
        fault: What the peer did wrong below the application's sight; None as long as it is well.
    """

    def __init__(self, connection: GuardedSocket) -> None:
        self._connection = connection
        self.fault: PeerFault | None = None
        self._fence: Fence = UNFENCED

    def put_behind(self, fence: Fence) -> None:
        """Ask a fence before each frame that leaves."""
        self._fence = fence

    def logged_in(self, heard: Callable[[], None]) -> None:
        """Note that the peer has proved who it is; ``heard`` is called whenever it sends a byte."""
        self._connection.logged_in(heard)

    def write(self, text: str) -> None:
        """Send a text frame; a peer that takes nothing is cut, one that is gone misses it.

        Raises:
            LeadLost: We have nothing more to say.
        """
        self._fence.check()
        self._connection.write(text)

    def wake(self) -> None:
        """Let the application see the end of what it reads."""
        self._connection.wake()


class GuardedSocket(WebSocketsSansIOProtocol):
    """One connection, see ``SocketLimits``; without a login it does not last."""

    def __init__(self, limits: SocketLimits, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._limits = limits
        self._meter = FrameMeter(limits, self.loop.time())
        self._guard = Guard(self)
        self._timers: list[asyncio.TimerHandle] = []
        self._heard: Callable[[], None] = _nobody
        self.close_timeout = limits.linger

    def logged_in(self, heard: Callable[[], None]) -> None:
        """End the login's time, and count as for a proven peer."""
        self._stop_timers()
        self._heard = heard
        self._meter.log_in(self.loop.time())

    def write(self, text: str) -> None:
        """Send a text frame now, or never."""
        if self.disconnected or self.close_sent or self.transport.is_closing():
            return
        self.conn.send_text(text.encode())
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._cut_if_unread()

    def wake(self) -> None:
        """Let the application see the end of what it reads, though the peer is there."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING})

    # ------------------------------------------------------------------------- what uvicorn calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the peer its time to log in."""
        super().connection_made(transport)
        self._cut_after(self._limits.login)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in slices, so that what is too much is not even parsed."""
        for start in range(0, len(data), SLICE):
            piece = data[start : start + SLICE]
            self._count(0, len(piece))
            if self._guard.fault is not None:
                return
            super().data_received(piece)
            if self._cut_if_unread():
                return
        self._heard()

    def handle_events(self) -> None:
        """Count the frames that came before anything is done about them."""
        self._count(len(self.conn.events), 0)
        if self._guard.fault is None:
            super().handle_events()

    def handle_connect(self, event: Request) -> None:
        """Let the application see the guard."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: Any = self.scope["extensions"]
            extensions[GUARD] = self._guard

    def send_receive_event_to_app(self) -> None:
        """Hand over a whole message, unless it is no text: uvicorn would log a traceback."""
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            self.frames = []
            self._blame(Malformed("a frame is not UTF-8"))
        else:
            super().send_receive_event_to_app()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Give the peer a moment to take our last words."""
        super().on_task_complete(task)
        self._cut_after(self._limits.linger)

    # ------------------------------------------------------------------------------------- inside

    def _count(self, frames: int, size: int) -> None:
        try:
            self._meter.count(frames, size, self.loop.time())
        except PeerFault as fault:
            self._blame(fault)

    def _blame(self, fault: PeerFault) -> None:
        """Read nothing more of this peer; the application has the last word."""
        if self._guard.fault is None:
            self._guard.fault = fault
            self.transport.pause_reading()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": POLICY})
            self._cut_after(self._limits.linger)

    def _cut_if_unread(self) -> bool:
        is_deaf = self.transport.get_write_buffer_size() > self._limits.unread
        if is_deaf:
            self.transport.abort()
        return is_deaf

    def _cut_after(self, seconds: float) -> None:
        self._timers.append(self.loop.call_later(seconds, self.transport.abort))

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


def _nobody() -> None:
    """Hear nothing: nobody has logged in yet."""


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
