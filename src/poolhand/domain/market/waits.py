"""Who goes first with a published request, so that it is not paid for twice. Pure.

Anybody may send the match, and of two in one block the second costs its sender gas for nothing.
So whoever does not serve a request best waits some blocks with it: a matcher with one that names a
pool, for that pool begins its tasks with it; a pool with one that names none, for matchers choose
among all pools. Pools wait for different times, in an order that each request has of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from eth_hash.auto import keccak

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.onchain import Head
from poolhand.domain.orders.model import RequestOrder
from poolhand.domain.units import BlockNumber, UnixSeconds


@dataclass(frozen=True, slots=True)
class Wait:
    """How long somebody leaves a request to others, since he saw it first: both must have passed.

    Attributes:
        blocks: So many.
        seconds: Of block time: blocks may come faster than markets are asked.
    """

    blocks: int = 0
    seconds: int = 0


NO_WAIT: Final = Wait()
WAITING_STEP: Final = Wait(3, 6)
"""Time in which who goes first sees a request, has it mined, and the market shows it no more."""
MOST_WAITING_STEPS: Final = 5
"""Of pools that nobody named."""


def matchers_wait(request: RequestOrder) -> Wait:
    """Return how long a matcher waits with a request."""
    return NO_WAIT if request.workerpool.is_zero else WAITING_STEP


def pools_wait(name: OrderHash, request: RequestOrder, pool: Address) -> Wait:
    """Return how long a pool waits with a request that names it or nobody; ``name`` is its hash."""
    if request.workerpool == pool:
        return NO_WAIT
    steps = int.from_bytes(keccak(name + pool)[:8], "big") % MOST_WAITING_STEPS + 1
    return Wait(WAITING_STEP.blocks * steps, WAITING_STEP.seconds * steps)


@dataclass(slots=True)
class FirstSeen:
    """When requests that are left to others were seen first."""

    _at: dict[OrderHash, tuple[BlockNumber, UnixSeconds]] = field(default_factory=dict)

    def has_waited(self, name: OrderHash, wait: Wait, head: Head) -> bool:
        """Whether a wait is over; it begins when this is asked first."""
        if wait == NO_WAIT:
            return True
        number, at = self._at.setdefault(name, (head.number, head.timestamp))
        return head.number >= number + wait.blocks and head.timestamp >= at + wait.seconds

    def keep_only(self, names: set[OrderHash]) -> None:
        """Forget requests that are not open any more."""
        self._at = {name: at for name, at in self._at.items() if name in names}
