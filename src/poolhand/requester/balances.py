"""What an account has."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.deal import Account
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei


@dataclass(frozen=True, slots=True)
class Balances:
    """What an account has: stake in the hub, RLC outside, coin for gas."""

    owner: Address
    account: Account
    rlc: NanoRlc
    coin: Wei
