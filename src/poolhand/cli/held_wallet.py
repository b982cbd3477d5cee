"""Ordering a deposit of the program that holds the wallet: it alone gives the wallet's nonces."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.worker_page import OrderUnavailable, Page, WorkerSilent
from poolhand.domain.errors import Unavailable
from poolhand.domain.ids import TxHash
from poolhand.domain.onchain import Receipt
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, Wei

if TYPE_CHECKING:
    from poolhand.keys.errors import WalletInUse

LONGEST_HELD_DEPOSIT: Final = 180.0
"""Seconds for a deposit to be mined."""


class HolderSilent(Unavailable):
    """The program that holds the wallet does not answer."""

    @classmethod
    def of(cls, held: WalletInUse, then: str) -> HolderSilent:
        """Say which, and what to do then."""
        assert held.orders is not None
        return cls(
            f"wallet {held.address} is in use by process {held.holder} (`poolhand {held.verb}`), "
            f"which does not answer at {held.orders.url}: wait until it is up, or stop it, and "
            f"{then}"
        )


def page_of(held: WalletInUse) -> Page:
    """Return where the holder of a wallet takes orders; raises WalletInUse where it takes none."""
    if held.orders is None:
        raise held
    return Page(held.orders.url, held.orders.token)


def deposit_through(held: WalletInUse, amount: NanoRlc) -> Receipt:
    """Let the program that holds a wallet deposit, and wait until that is mined.

    Raises:
        WalletInUse: It takes no orders.
        HolderSilent: It does not answer; nothing was asked of it.
        OrderRefused, OrderRaced, PageFault: Nothing was deposited; the message says why.
        OrderUnavailable: Whether it was deposited is unknown.
    """
    page = page_of(held)
    body = {"nrlc": amount, "name": secrets.token_hex(8)}
    try:
        return _receipt(page.order("deposit", body, LONGEST_HELD_DEPOSIT)["transaction"])
    except WorkerSilent as fault:
        raise HolderSilent.of(held, "deposit again") from fault
    except OrderUnavailable as fault:
        raise OrderUnavailable(
            fault.code,
            f"`poolhand {held.verb}`, which holds the wallet: {fault}. Whether it was deposited "
            "is unknown: see `poolhand account show` before you repeat it",
        ) from fault


def _receipt(sent: dict[str, Any]) -> Receipt:
    return Receipt(
        TxHash.parse(sent["tx"]),
        BlockNumber(sent["block"]),
        succeeded=True,
        gas_used=Gas(sent["gas"]),
        gas_price=Wei(sent["gas_price_wei"]),
    )
