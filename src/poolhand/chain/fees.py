"""Asking what gas costs: whichever of three questions an endpoint answers.

Source: Geth's ``eth_maxPriorityFeePerGas``, which is in no specification; ``eth_feeHistory`` and
``eth_gasPrice`` of the Ethereum execution APIs.
"""

from __future__ import annotations

from statistics import median_low
from typing import Any, Final

from poolhand.chain import abi
from poolhand.chain.link import Query
from poolhand.domain.units import Wei

HISTORY: Final = 10
"""Blocks looked at for what others have paid."""
PERCENTILE: Final = 50
"""Of the gas of a block: half of it paid less."""


def gas_price() -> Query[Wei]:
    """Ask for the price of gas, all in (wei)."""
    return Query("eth_gasPrice", (), lambda raw: Wei(abi.quantity(raw)))


def priority_fee(base_fee: Wei) -> Query[Wei]:
    """Ask for what is usually paid above the base fee (wei)."""

    def above_base(raw: Any) -> Wei:
        return Wei(max(abi.quantity(raw) - base_fee, 0))

    from_price = Query("eth_gasPrice", (), above_base)
    asked = hex(HISTORY), "latest", [PERCENTILE]
    from_history = Query("eth_feeHistory", asked, usual_reward, from_price)
    return Query("eth_maxPriorityFeePerGas", (), lambda raw: Wei(abi.quantity(raw)), from_history)


def usual_reward(raw: Any) -> Wei:
    """Read ``eth_feeHistory``: the median over blocks in which anybody paid anything; 0 if none."""
    paid = [abi.quantity(block[0]) for block in raw["reward"] if block]
    told = [each for each in paid if each]
    return Wei(median_low(told) if told else 0)
