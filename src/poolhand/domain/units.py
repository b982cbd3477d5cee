"""Units as types: a number that crosses a module border says what it counts.

The aliases cost nothing at run time; mypy keeps wei from being added to nRLC. Conversions between
units live here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
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

DAY: Final = Seconds(86_400)
NANO_PER_RLC: Final = 10**9
ALL_RLC: Final = NanoRlc(87_000_000 * NANO_PER_RLC)
"""No more were ever made, in whole millions."""
WEI_PER_COIN: Final = 10**18
WEI_PER_GWEI: Final = 10**9
WEI_PER_NANO_RLC: Final = 10**9
"""On native chains 1 nRLC is 10⁹ wei."""
KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3


_QUANTITY: Final = re.compile(
    r"(?P<whole>[0-9]{1,40})?(?:\.(?P<fraction>[0-9]{1,18}))? *(?P<unit>[A-Za-z]*)"
)
RLC_UNITS: Final[Mapping[str, int]] = {"rlc": 9, "nrlc": 0}
"""Name of a unit (any case) to the decimals of 1 nRLC that it holds."""
COIN_UNITS: Final[Mapping[str, int]] = {
    "eth": 18, "xrlc": 18, "coin": 18, "coins": 18, "gwei": 9, "wei": 0,
}  # fmt: skip
"""The same for the chain's coin, in wei; a sidechain of iExec calls its coin xRLC."""


def _read(text: str, units: Mapping[str, int], unit: str, wanted: str) -> int:
    """Read a quantity exactly, into the smallest unit; ``unit`` is what a plain number counts.

    Raises:
        BadAmount: No number, a unit that is not one of ``units``, or too fine.
    """
    found = _QUANTITY.fullmatch(text.strip())
    decimals = units.get((found["unit"] or unit).lower()) if found else None
    if found is None or decimals is None:
        raise BadAmount(text, wanted)
    whole, fraction = found["whole"] or "", (found["fraction"] or "").rstrip("0")
    if not (whole or found["fraction"]) or len(fraction) > decimals:
        raise BadAmount(text, wanted)
    return int((whole + fraction.ljust(decimals, "0")) or "0")


def parse_rlc(text: str) -> NanoRlc:
    """Read an amount of RLC: ``1.5`` (RLC), ``0.3RLC``, ``1.5 RLC``, ``300000000nRLC``.

    Raises:
        BadAmount: Not a number, negative, of another unit, or finer than one nRLC.
    """
    wanted = "write RLC with at most 9 decimals ('1.5', '1.5 RLC'), or '1500 nRLC'"
    return NanoRlc(_read(text, RLC_UNITS, "rlc", wanted))


def parse_coin(text: str) -> Wei:
    """Read an amount of the chain's coin: ``0.01`` (coins), ``0.01 ETH``, ``5 xRLC``, ``3gwei``.

    Raises:
        BadAmount: Not a number, negative, of another unit, or finer than one wei.
    """
    wanted = "write coins with at most 18 decimals ('0.01', '0.01 ETH', '0.01 xRLC'), or '20 gwei'"
    return Wei(_read(text, COIN_UNITS, "coin", wanted))


def parse_gas_price(text: str) -> Wei:
    """Read wei per unit of gas: ``22gwei``, ``0.1 gwei``; plain numbers are wei, as iExec has it.

    Raises:
        BadAmount: Not a number, negative, of another unit, or finer than one wei.
    """
    wanted = "write a price of gas such as '22gwei', or a whole number of wei"
    return Wei(_read(text.replace("_", ""), COIN_UNITS, "wei", wanted))


def show_gas_price(price: Wei) -> str:
    """Write wei per unit of gas as people do: in gwei, and what is far less in wei."""
    if 0 < price < WEI_PER_GWEI // 1_000_000:
        return f"{price} wei"
    whole, rest = divmod(price, WEI_PER_GWEI)
    return f"{whole}" + f".{rest:09d}".rstrip("0").rstrip(".") + " gwei"


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


def show_duration(seconds: int) -> str:
    """Write a duration in its largest whole unit: ``2 minutes``."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def show_moment(seconds: int) -> str:
    """Write Unix seconds for a person (UTC); what is no date stays a number."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{seconds} UTC"
