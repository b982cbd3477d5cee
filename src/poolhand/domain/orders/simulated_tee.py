"""Orders of pools whose enclaves are simulated say so in their salt, which their signature covers.

Half of the salt is the mark and half is random: that makes orders unique still, and needs no
contract, no client and no market to know of it. Who knows it shows such an order to nobody who asks
for any enclave, and names no workerpool (ADR 0181).
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.orders.model import Order, Salt, WorkerpoolOrder

SIMULATED_TEE_MARK: Final = b"poolhand-sim-tee"
"""The first half of the salt."""
RANDOM_OF_MARKED: Final = 32 - len(SIMULATED_TEE_MARK)
"""Bytes of the other half."""


def marked_salt(entropy: bytes) -> Salt:
    """Return the salt of an order that sells simulated enclaves.

    Args:
        entropy: ``RANDOM_OF_MARKED`` random bytes.
    """
    return Salt(SIMULATED_TEE_MARK + entropy)


def sells_simulated_enclaves(order: Order) -> bool:
    """Whether a pool has signed that the enclaves of this order keep nothing secret."""
    is_marked = order.salt.startswith(SIMULATED_TEE_MARK)
    return isinstance(order, WorkerpoolOrder) and order.tag.needs_tee and is_marked
