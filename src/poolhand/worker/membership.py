"""Staying in the pool: one that turns this worker away ends neither its stake nor its program.

Whoever answers at the pool's address can refuse, before it has proved to be the pool. So a refusal
ends a worker that has never been let in, whose operator sits before it, and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from poolhand.domain.errors import EndsProgram, Refused
from poolhand.domain.signatures import BadSignature
from poolhand.ports.clock import Clock
from poolhand.transport.listener import Listener
from poolhand.worker.pool_member import PoolMember

PAUSE_AFTER_POOL_REFUSAL: Final = 60.0
"""Seconds before a pool that refuses this worker for good is asked again."""

log = structlog.get_logger()


class PoolSession(Protocol):
    """The worker's session with its pool, see ``transport.session_client``."""

    async def run(self, listener: Listener, /) -> None:
        """Keep it for a listener; raises Refused or BadSignature when only a person can help."""


def _stays_refused(_: Exception) -> bool:
    return False


async def keep_membership(
    session: PoolSession,
    member: PoolMember,
    clock: Clock,
    helps_itself: Callable[[Exception], bool] = _stays_refused,
) -> None:
    """Keep the session until it is closed.

    Args:
        session: That is kept.
        member: Listens to it.
        clock: For pauses.
        helps_itself: Told of a refusal; whether the worker does by itself what it asks for.

    Raises:
        Refused, BadSignature: The pool has never wanted anything of this worker, and nothing is at
            stake.
    """
    while True:
        try:
            await session.run(member)
        except EndsProgram:
            raise
        except (Refused, BadSignature) as fault:
            if not (helps_itself(fault) or member.has_stake or member.has_joined):
                raise
            log.warning(
                "pool_refuses_worker",
                cause=str(fault),
                acts="operator of the worker",
                next_step="fix the cause; the worker asks again every minute",
            )
            await clock.sleep(PAUSE_AFTER_POOL_REFUSAL)
        else:
            return
