"""Enclaves that are simulated: bought by name only, and checked before anything is signed."""

from __future__ import annotations

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.orders.choosing import Bundle
from poolhand.domain.orders.simulated_tee import sells_simulated_enclaves
from poolhand.requester.whose_pool import PoolFinder
from poolhand.requester.wish import Wish

_ACCEPT = "accept that by name (--accept-simulated-tee) if nothing in the task is secret"


class SimulatedTee(Refused):
    """A confidential task would run where nothing is kept secret, as far as anybody says."""


async def demand_enclaves(finder: PoolFinder, wish: Wish, bundle: Bundle) -> None:
    """Check that a pool's enclaves are such as the buyer of a confidential task accepts.

    Its order may say so by itself, signed. Else the pool is asked: whoever lies here could lie of
    its hardware, too. What secrets rest on is the secret management service, which tells them only
    to quotes that it has verified.

    Raises:
        SimulatedTee: They are simulated, or nobody says that they are not.
        ChainUnreachable: No endpoint answers.
    """
    tag = wish.tag.union(bundle.app.signed.order.tag, bundle.dataset.signed.order.tag)
    if not tag.needs_tee or wish.accepts_simulated_tee:
        return
    workerpool = bundle.pool.resource
    if sells_simulated_enclaves(bundle.pool.signed.order):
        raise _simulated(workerpool)
    found = await finder.find(workerpool)
    if found.config is None:
        raise SimulatedTee(
            f"nobody says whether the enclaves of workerpool {workerpool} are simulated "
            f"({found.silence}): name its URL, or {_ACCEPT}"
        )
    if found.config.simulated_tee:
        raise _simulated(workerpool)


def _simulated(workerpool: Address) -> SimulatedTee:
    return SimulatedTee(
        f"workerpool {workerpool} takes simulated enclaves, which keep nothing secret: buy from "
        f"another one, or {_ACCEPT}"
    )
