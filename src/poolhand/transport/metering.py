"""How many frames and bytes of every kind one WebSocket may bring, before and after the login.

A message is counted by its session (P-34). Below it are frames that make no message: pings, pongs,
empty continuations. They cost us work and memory all the same, so all of them are counted here,
with room to spare over what a session's messages can need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import PeerFault
from poolhand.domain.units import UnixSeconds
from poolhand.wire.frames import MAX_SESSION_FRAME
from poolhand.wire.session import Allowance, Bucket, Flooded

SLICE: Final = 4_096
"""Bytes read before frames are counted: they hold 2,048 frames at most."""


class LoginFlooded(PeerFault):
    """Somebody who has not logged in sends more than a login takes."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What one WebSocket bears; times in seconds, sizes in bytes.

    Attributes:
        greeting_frames, greeting_bytes: In all, until the login is accepted.
        frames, size: Per second after that, and at once.
        login: From the opening of the WebSocket to the login.
        unread: Of what we wrote, when the peer does not take it.
        linger: For the peer to take our last words.
    """

    greeting_frames: int = 32
    greeting_bytes: int = 2 * MAX_SESSION_FRAME
    frames: Allowance = Allowance(200, 4_096)
    size: Allowance = Allowance(2 * 2**20, 32 * 2**20)
    login: float = 10
    unread: int = 512 * 1024
    linger: float = 2


CLIENT_LIMITS: Final = SocketLimits(
    frames=Allowance(1_000, 16_384), size=Allowance(8 * 2**20, 64 * 2**20)
)
"""Of the worker's end: over what ``wire.session.TOLD`` admits of messages."""


class FrameMeter:
    """Counts what one peer sends.

    Args:
        limits: What it may.
        now: Seconds of a clock that is never turned back.
    """

    def __init__(self, limits: SocketLimits, now: float) -> None:
        self._limits, self._logged_in = limits, False
        at = UnixSeconds(int(now))
        self._frames = Bucket(Allowance(0, limits.greeting_frames), at)
        self._size = Bucket(Allowance(0, limits.greeting_bytes), at)

    def log_in(self, now: float) -> None:
        """Count as for a proven peer from here on."""
        at = UnixSeconds(int(now))
        self._logged_in = True
        self._frames, self._size = Bucket(self._limits.frames, at), Bucket(self._limits.size, at)

    def count(self, frames: int, size: int, now: float) -> None:
        """Count what came.

        Raises:
            LoginFlooded: Too much for a login.
            Flooded: Too much for a session.
        """
        for bucket, count in ((self._frames, frames), (self._size, size)):
            bucket.has_room(UnixSeconds(int(now)))
            bucket.take(count)
            if bucket.is_overdrawn:
                raise self._fault()

    def _fault(self) -> PeerFault:
        if not self._logged_in:
            return LoginFlooded("more frames or bytes came than a login takes")
        frames, size = self._limits.frames.rate, self._limits.size.rate
        return Flooded(f"over {frames} WebSocket frames or {size} bytes per second")
