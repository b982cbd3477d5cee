"""A transaction that we built and nobody has signed yet."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.domain.units import Gas, Wei


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """A transaction we built. ``priority_fee`` None makes it a legacy one (fees in wei per gas)."""

    chain_id: int
    nonce: int
    to: Address
    value: Wei
    data: bytes
    gas: Gas
    max_fee: Wei
    priority_fee: Wei | None

    @property
    def cost(self) -> Wei:
        """The most it takes from the wallet."""
        return Wei(self.gas * self.max_fee + self.value)
