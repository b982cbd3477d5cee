"""Units as types: a number that crosses a module border says what it counts.

The aliases cost nothing at run time; mypy keeps wei from being added to nRLC. Conversions between
units live here and nowhere else.
"""

from __future__ import annotations

import re
from typing import Final, NewType

from poolhand.domain.errors import BadAmount

Wei = NewType("Wei", int)
"""10⁻¹⁸ of the chain's coin; pays gas."""
NanoRlc = NewType("NanoRlc", int)
"""10⁻⁹ RLC; prices, stakes, rewards."""
Gas = NewType("Gas", int)
"""Units of gas, to be multiplied by a price in wei."""
Seconds = NewType("Seconds", int)
"""A duration."""
UnixSeconds = NewType("UnixSeconds", int)
"""A moment, as the chain counts it."""
BlockNumber = NewType("BlockNumber", int)
"""A height of the chain."""

NANO_PER_RLC: Final = 10**9
WEI_PER_COIN: Final = 10**18
WEI_PER_GWEI: Final = 10**9


_AMOUNT: Final = re.compile(r"([0-9]{0,30})(?:\.([0-9]{1,9}))?(?: +(rlc|nrlc))?", re.IGNORECASE)


def parse_rlc(text: str) -> NanoRlc:
    """Read an amount such as ``"1.5"`` (RLC) or ``"1500 nRLC"``.

    Raises:
        BadAmount: Not a number, negative, or finer than one nRLC.
    """
    found = _AMOUNT.fullmatch(text.strip())
    whole, fraction, unit = found.groups(default="") if found else ("", "", "")
    in_nano = unit.lower() == "nrlc"
    if not whole + fraction or (in_nano and fraction):
        raise BadAmount(text)
    if in_nano:
        return NanoRlc(int(whole))
    return NanoRlc(int(whole + fraction.ljust(9, "0")))


def show_rlc(amount: NanoRlc) -> str:
    """Write an amount in RLC, exactly, without trailing zeros: ``1500000000`` gives ``"1.5"``."""
    sign, digits = ("-", -amount) if amount < 0 else ("", amount)
    whole, rest = divmod(digits, NANO_PER_RLC)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{sign}{whole}{fraction}"


def show_coin(amount: Wei) -> str:
    """Write wei in whole coins (ETH), exactly, without trailing zeros."""
    whole, rest = divmod(amount, WEI_PER_COIN)
    return f"{whole}" + f".{rest:018d}".rstrip("0").rstrip(".")
