"""Joining a pool: look, do the next step, look again, until the worker is all set.

What comes next is decided in ``domain.joining``; nothing is remembered here, so that the same
command goes on wherever an earlier one was cut off.
"""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.joining import (
    JoinSeen,
    JoinStep,
    JoinWish,
    Missing,
    next_step,
    still_missing,
    to_deposit,
)
from poolhand.domain.units import NanoRlc


class JoinWorld(Protocol):
    """A computer that joins, its wallet, the chain: every act is repeatable."""

    async def look(self) -> JoinSeen:
        """Return what there is now."""

    async def wish(self, seen: JoinSeen) -> JoinWish:
        """Return what the worker's wallet must have."""

    async def get_wallet(self) -> None:
        """Make a wallet, or take the one that was named."""

    async def wait_for_money(self, missing: Missing) -> None:
        """Say what is missing, and return when it is worth another look."""

    async def deposit(self, amount: NanoRlc) -> None:
        """Ask, and turn RLC into stake; whoever says no ends the program."""

    async def set_up(self) -> None:
        """Write the worker's settings and register its service."""

    async def start(self) -> None:
        """Start the worker, and return when it answers."""


async def join_pool(world: JoinWorld) -> JoinSeen:
    """Do whatever is still to be done until the worker runs; return what there is then."""
    while True:
        seen = await world.look()
        wish = await world.wish(seen)
        step = next_step(seen, wish)
        if step is JoinStep.ALL_SET:
            return seen
        await _do(world, step, seen, wish)


async def _do(world: JoinWorld, step: JoinStep, seen: JoinSeen, wish: JoinWish) -> None:
    match step:
        case JoinStep.GET_WALLET:
            await world.get_wallet()
        case JoinStep.WAIT_FOR_MONEY:
            await world.wait_for_money(still_missing(seen, wish))
        case JoinStep.DEPOSIT:
            await world.deposit(to_deposit(seen, wish))
        case JoinStep.SET_UP:
            await world.set_up()
        case JoinStep.START:
            await world.start()
        case JoinStep.ALL_SET:
            pass
