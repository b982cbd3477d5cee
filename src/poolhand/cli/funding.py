"""Where RLC and coin come from, chain by chain, for who has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from poolhand.domain.errors import Refused
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.settings.chains import KNOWN_CHAINS

if TYPE_CHECKING:
    from poolhand.domain.ids import Address

_PUBLIC: Final = {
    "arbitrum": "buy RLC, or bridge it to Arbitrum One, and send it to {who}; gas is paid with ETH "
    "on Arbitrum One",
    "arbitrum-sepolia": "iExec's explorer (explorer.iex.ec) has a faucet for test RLC; gas is paid "
    "with ETH of Arbitrum Sepolia, which faucets of that chain give",
    "bellecour": "bridge RLC from Ethereum to Bellecour, where it is the chain's own coin (xRLC), "
    "and send it to {who}; gas is free there",
}


class WalletWithoutRlc(Refused):
    """The wallet has less RLC than is to be deposited or sent."""

    def __init__(self, who: Address, has: NanoRlc, wanted: NanoRlc, chain_id: int) -> None:
        super().__init__(
            f"wallet {who} has {show_rlc(has)} RLC outside the hub, and {show_rlc(wanted)} are "
            f"needed. Where RLC comes from: {where_from(chain_id, who)}"
        )


def chain_name(chain_id: int | None) -> str | None:
    """Return the name of a public chain; None for any other."""
    ids = {chain.chain_id: name for name, chain in KNOWN_CHAINS.items()}
    return ids.get(chain_id)


def where_from(chain_id: int | None, who: object) -> str:
    """Say where RLC and coin of a chain come from.

    Args:
        chain_id: Of the chain.
        who: That needs them.
    """
    name = chain_name(chain_id)
    if name is not None:
        return f"on {name}, " + _PUBLIC[name].format(who=who)
    return (
        f"on a devnet, `poolhand devnet faucet {who}` gives RLC and coin; on another chain, who "
        "runs it has the RLC"
    )
