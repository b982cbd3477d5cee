"""What to pay for gas: the network's price times a factor, never above a cap.

Source: iexec-commons-poco, ``Web3jAbstractService`` (price rule and enough-gas test).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from poolhand.domain.errors import OutOfGas, Refused
from poolhand.domain.ids import Address
from poolhand.domain.units import Wei, show_coin


class BadGasSettings(Refused):
    """Gas settings under which no transaction could be sent."""


@dataclass(frozen=True, slots=True)
class Fees:
    """Fees of one transaction (wei per gas); ``priority_fee`` None makes it a legacy one."""

    max_fee: Wei
    priority_fee: Wei | None


@dataclass(frozen=True, slots=True)
class GasRule:
    """The operator's rule.

    Args:
        multiplier: Factor on the network's price, at least 0; taken as the decimal it prints as.
        cap: Most to pay (wei per gas).
        native: True where gas is free (RLC is the chain's coin).
        tip_multiplier: Factor on the usual tip above the base fee, on top of the other: who pays
            more comes into a block before who pays the usual one.

    Raises:
        BadGasSettings: A cap of 0 where gas costs, or a negative number.
    """

    multiplier: float
    cap: Wei
    native: bool = False
    tip_multiplier: float = 1.0
    _tip_factor: Fraction = field(init=False, repr=False, compare=False)
    _factor: Fraction = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.cap <= 0 and not self.native:
            raise BadGasSettings("a gas price cap of 0 pays for nothing: set one, e.g. 22 gwei")
        if min(self.multiplier, self.tip_multiplier, self.cap) < 0:
            raise BadGasSettings("gas price multipliers and cap must not be negative")
        object.__setattr__(self, "_tip_factor", Fraction(str(self.tip_multiplier)))
        object.__setattr__(self, "_factor", Fraction(str(self.multiplier)))

    def price(self, network: Wei | None) -> Wei:
        """Return ``min(floor(network × multiplier), cap)``; the cap when the network names none."""
        if self.native:
            return Wei(0)
        if not network:
            return self.cap
        return Wei(min(int(network * self._factor), self.cap))

    def legacy(self, gas_price: Wei | None) -> Fees:
        """Return fees for a chain without base fee, from ``eth_gasPrice``."""
        return Fees(self.price(gas_price), None)

    def dynamic(self, base_fee: Wei, priority_fee: Wei) -> Fees:
        """Return EIP-1559 fees; the network's price is base fee + the usual priority fee."""
        if self.native:
            return Fees(Wei(0), None)
        tip = Wei(int(priority_fee * self._tip_factor))
        most = self.price(Wei(base_fee + tip))
        return Fees(most, Wei(min(tip, most)))

    def replacement(self, old: Fees, wanted: Fees) -> Fees | None:
        """Return fees that nodes accept in place of ``old``, at least ``wanted``.

        Both fees must rise by 12.5 % (nodes ask for 10 %); None when that would pass the cap, or
        when gas is free.
        """
        most = max(raised(old.max_fee), wanted.max_fee)
        if self.native or most > self.cap or old.max_fee == 0:
            return None
        if old.priority_fee is None:
            return Fees(most, None)
        tip = max(raised(old.priority_fee), wanted.priority_fee or 0)
        return Fees(most, Wei(min(tip, most)))


def raised(fee: Wei) -> Wei:
    """Return a fee 12.5 % higher, rounded up, and higher by at least 1 wei."""
    return Wei(-(-fee * 9 // 8) if fee else 1)


def out_of_gas(sender: Address, purpose: str, missing: Wei, reserve: Wei = Wei(0)) -> OutOfGas:
    """Say who must send how much to whom, and what is kept back for what."""
    if reserve:
        return OutOfGas(
            f"wallet {sender} cannot pay for {purpose} and keep {show_coin(reserve)} coins for "
            f"reveals: send it at least {show_coin(missing)} coins"
        )
    if not missing:
        return OutOfGas(f"wallet {sender} cannot pay for {purpose}: send it coins of this chain")
    return OutOfGas(
        f"wallet {sender} cannot pay for {purpose}: send it at least {show_coin(missing)} coins"
    )
