"""The WebSocket endpoint of a pool that stands by: workers are told to try again soon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from poolhand.domain.errors import Unavailable
from poolhand.domain.units import Seconds
from poolhand.transport.plumbing import attempt
from poolhand.transport.session_server import PATH
from poolhand.wire.fields import clip
from poolhand.wire.frames import encode
from poolhand.wire.handshake import STANDING_BY
from poolhand.wire.messages import Reject
from poolhand.wire.session_terms import MAX_SENTENCE

STANDBY_RETRY_AFTER: Final = Seconds(2)
"""After which a worker is to try again, at another address of the pool if it knows one."""
CLOSE_TRY_AGAIN: Final = 1013
"""WebSocket close code (IANA registry)."""
LONGEST_STANDBY_ANSWER: Final = 5.0
"""Seconds for the worker to take the answer."""


def standby_door(why: Callable[[], Unavailable]) -> WebSocketRoute:
    """Return the route at which workers are sent away; ``why`` says who leads."""

    async def receive(socket: WebSocket) -> None:
        await socket.accept()
        reject = Reject(STANDING_BY, clip(str(why()), MAX_SENTENCE), STANDBY_RETRY_AFTER)
        await attempt(socket.send_text(encode(reject)), LONGEST_STANDBY_ANSWER, WebSocketDisconnect)
        await attempt(socket.close(CLOSE_TRY_AGAIN), LONGEST_STANDBY_ANSWER, WebSocketDisconnect)

    return WebSocketRoute(PATH, receive, name="worker")
