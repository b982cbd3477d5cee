"""HTTP connections that wait for their peer only so long, and only so many.

uvicorn knows no time-out for a request's head or body, and one byte ends its time-out for idle
connections. This protocol adds them at the place where bytes come in; it changes nothing for a peer
that says what it wants.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from poolhand.transport.chunks import ChunkCounter
from poolhand.transport.guarded_socket import GuardedSocket
from poolhand.transport.refusal_form import RefusalForm, code_and_message
from poolhand.transport.waiting import ServiceLimits, WaitingConnections, neighbourhood

IDLE, HEAD, BODY, WORK = "idle", "head", "body", "work"
"""What a connection waits for: a request, the end of its head, of its body; the service."""


MOST_HEAD: Final = 65_536
"""Bytes of a request's head, or of the trailers behind its body."""
TOO_LONG: Final = 431
"""Status of a request whose head is longer (RFC 6585)."""


@dataclass(slots=True)
class Books:
    """The connections of one service that wait for their peers; ``form`` is how it refuses."""

    limits: ServiceLimits
    form: RefusalForm = code_and_message
    asking: WaitingConnections = field(init=False)
    sending: WaitingConnections = field(init=False)
    taking: WaitingConnections = field(init=False)

    def __post_init__(self) -> None:
        self.asking = WaitingConnections(self.limits.asking)
        self.sending = WaitingConnections(self.limits.sending)
        self.taking = WaitingConnections(self.limits.taking)

    def shed(self) -> None:
        """Make room in a process that can open nothing more."""
        self.asking.shed(max(len(self.asking) // 2, 1))
        self.sending.shed(len(self.sending) // 4)


class GuardedHttp(H11Protocol):
    """One connection, see ``ServiceLimits``."""

    def __init__(
        self, books: Books, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.conn = self._counter = ChunkCounter(h11.SERVER, MOST_HEAD)
        self.ws_protocol_class = partial(GuardedSocket, books.limits.sockets)  # type: ignore[assignment]
        self._books, self._limits = books, books.limits
        self._timer: asyncio.TimerHandle | None = None
        self._taking_timer: asyncio.TimerHandle | None = None
        self._phase, self._came = "", 0
        self.address = ""

    def evict(self) -> None:
        """Cut the connection."""
        self._leave()
        self.transport.abort()

    # ------------------------------------------------------------------------- what uvicorn calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self.address = neighbourhood(self.client[0] if self.client else "")
        self._enter(HEAD, self._limits.head)
        self._books.asking.touch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no longer."""
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, then look what is waited for."""
        self._came += len(data)
        super().data_received(data)
        self._look()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or too long, as any refusal; called where h11 raised.

        An answer under way is cut, and what works on the request finds its peer gone: h11 would
        raise at the first word of an answer more.
        """
        del msg
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse()
        self.transport.close()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _refuse(self) -> None:
        fault = sys.exception()
        if getattr(fault, "error_status_hint", 400) == TOO_LONG:
            status, code = TOO_LONG, "head-too-long"
            told = f"the head of the request has more than {MOST_HEAD} bytes: send fewer headers"
        else:
            status, code = 400, "bad-http"
            told = self._counter.fault or "this is no HTTP/1.1 request: see its line and headers"
        body = json.dumps(self._books.form(code, told)).encode()
        length = (b"content-length", str(len(body)).encode())
        kind = (b"content-type", b"application/json")
        head = h11.Response(status_code=status, headers=[kind, length, (b"connection", b"close")])
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def on_response_complete(self) -> None:
        """Wait for the next request, which may be here already."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Note that the peer does not take its answer."""
        super().pause_writing()
        self._books.taking.touch(self)
        self._taking_timer = self.loop.call_later(self._limits.stall, self.evict)

    def resume_writing(self) -> None:
        """Note that it does."""
        super().resume_writing()
        self._books.taking.drop(self)
        _cancel(self._taking_timer)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over; it is ours no longer."""
        self._leave()
        self._phase = WORK
        super().handle_websocket_upgrade(event)

    # ------------------------------------------------------------------------------------- phases

    def _look(self) -> None:
        """Note what the connection waits for now."""
        if self.transport.get_protocol() is not self or self._phase == "":
            return
        if self.cycle is None or self.cycle.response_complete:
            self._await_request()
        elif self.cycle.more_body:
            self._await_body()
        elif self._phase != WORK:
            self._enter(WORK, None)
            self._books.asking.drop(self)
            self._books.sending.drop(self)

    def _await_request(self) -> None:
        """Wait for a head: from the last answer on, however slowly it trickles."""
        if self._phase in (HEAD, IDLE):
            return
        self._enter(IDLE, self._limits.idle)
        self._books.sending.drop(self)
        self._books.asking.touch(self)

    def _await_body(self) -> None:
        """Wait for a body, of which some must come again and again."""
        if self._phase == BODY and self._came < self._limits.step and not self._is_ours_to_move():
            return
        self._came = 0
        self._enter(BODY, self._limits.stall, self._look_at_body)
        self._books.asking.drop(self)
        if self._is_ours_to_move():
            self._books.sending.drop(self)
        else:
            self._books.sending.touch(self)

    def _look_at_body(self) -> None:
        """Cut a peer that is too slow; where the service itself does not read, wait on."""
        if self._is_ours_to_move():
            self._enter(BODY, self._limits.stall, self._look_at_body)
        else:
            self.evict()

    def _is_ours_to_move(self) -> bool:
        """Whether it is the service that does not read the body, or has not asked for it yet."""
        return self.flow.read_paused or self.cycle.waiting_for_100_continue

    def _enter(
        self, phase: str, seconds: float | None, then: Callable[[], None] | None = None
    ) -> None:
        _cancel(self._timer)
        self._phase = phase
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, then or self.evict)

    def _leave(self) -> None:
        self._phase = ""
        _cancel(self._timer)
        _cancel(self._taking_timer)
        for book in (self._books.asking, self._books.sending, self._books.taking):
            book.drop(self)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
