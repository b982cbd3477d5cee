"""Listening: a port that is ours or a clear refusal, and a server inside the caller's loop."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from poolhand.domain.errors import Bug, Refused
from poolhand.transport.acceptor import Acceptor, descriptor_outage
from poolhand.transport.guarded_http import Books, GuardedHttp
from poolhand.transport.refusal_form import RefusalForm, code_and_message
from poolhand.transport.request_limit import RequestLimit
from poolhand.transport.waiting import ServiceLimits, limits_for
from poolhand.wire.frames import MAX_SESSION_FRAME

UVICORN_OPTIONS: Final[dict[str, Any]] = {
    "ws": "websockets-sansio",
    "ws_max_size": MAX_SESSION_FRAME,
    "ws_ping_interval": None,
    "ws_per_message_deflate": False,
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_keep_alive": 30,
    "timeout_graceful_shutdown": 3,
}
"""Oversized frames die in the WebSocket layer, nothing inflates, the heartbeat is the protocol's
own; requests under way get three seconds to end. ``X-Forwarded-For`` is believed from 127.0.0.1."""


class PortBusy(Refused):
    """Another program listens there."""


class CannotListen(Refused):
    """The address is not this machine's, or the port needs rights that we do not have."""


class ServiceFailed(Bug):
    """The server ended while it was starting."""


def bind(host: str, port: int, flag: str = "--port") -> socket.socket:
    """Take a port; 0 lets the system choose; ``flag`` is how the operator names it.

    Raises:
        PortBusy: Another program has it.
        CannotListen: No such address here, or no right to it.
    """
    if not 0 <= port <= 65_535:
        raise CannotListen(f"cannot listen at port {port}: ports go from 1 to 65535, 0 is any free")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            raise PortBusy(
                f"port {port} is taken by another program: choose another with {flag}, "
                "or stop that program"
            ) from fault
        raise CannotListen(f"cannot listen at {host}, port {port}: {fault}") from fault


def port_of(listener: socket.socket) -> int:
    """Return the real port."""
    return int(listener.getsockname()[1])


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    ready: Callable[[int], None] | None = None,
    *,
    flag: str = "--port",
    limits: ServiceLimits | None = None,
) -> None:
    """Serve until cancelled, then let requests under way end.

    Args:
        app: The service.
        host: Address to listen at.
        port: 0: any free one.
        ready: Told the real port once requests are answered.
        flag: How the operator names the port.
        limits: Of its connections; None: what this process's descriptors allow.

    Raises:
        PortBusy, CannotListen: As ``bind``.
    """
    await serve_on(app, bind(host, port, flag), ready, limits)


async def serve_on(
    app: ASGIApp,
    listener: socket.socket,
    ready: Callable[[int], None] | None = None,
    limits: ServiceLimits | None = None,
    form: RefusalForm = code_and_message,
) -> None:
    """As ``serve``, on a port taken before with ``bind``; closes it in the end.

    ``form`` is how it refuses what reaches no handler.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    port = port_of(listener)
    books = Books(limits or limits_for(descriptors()), form)
    config = uvicorn.Config(RequestLimit(app, books.limits, form), **UVICORN_OPTIONS)
    server = _Server(config, listener, books, (lambda: ready(port)) if ready else None)
    with listener:
        running = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            server.should_exit = True
            await running
            raise


def descriptors() -> int:
    """Return how many files and connections this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class _Server(uvicorn.Server):
    """Takes connections itself, leaves signals to the program, and tells when it is up."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        books: Books,
        ready: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self._listener, self._books, self._ready = listener, books, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell; uvicorn's way to give up would end the whole program."""
        del sockets  # uvicorn's own accept loop is not used
        try:
            await super().startup(sockets=[])
        except SystemExit as fault:
            raise ServiceFailed("the service could not start: see its log") from fault
        outage = descriptor_outage()
        acceptor = Acceptor(self._listener, self._connection, outage, self._books.shed)
        self.servers = [acceptor]  # type: ignore[list-item] # closed and waited for at the end
        if self.started and self._ready is not None:
            self._ready()

    def _connection(self) -> GuardedHttp:
        return GuardedHttp(self._books, self.config, self.server_state, self.lifespan.state)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
