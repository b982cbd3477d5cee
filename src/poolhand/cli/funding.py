"""Where RLC and coin come from, chain by chain, for who has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from poolhand.domain.errors import Refused
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.settings.chains import public_chain

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
    """The wallet has less RLC than is to be deposited or sent; ``source`` as of ``where_from``."""

    def __init__(self, who: Address, has: NanoRlc, wanted: NanoRlc, source: str) -> None:
        super().__init__(
            f"wallet {who} has {show_rlc(has)} RLC outside the hub, and {show_rlc(wanted)} are "
            f"needed. Where RLC comes from: {source}"
        )


def where_from(chain_id: int | None, who: object, rpc_urls: Sequence[str] = ()) -> str:
    """Say where RLC and coin of a chain come from.

    Args:
        chain_id: Of the chain.
        who: That needs them.
        rpc_urls: Of its nodes, see ``public_chain``.
    """
    name, alike = public_chain(chain_id, rpc_urls), public_chain(chain_id)
    if name is not None:
        return f"on {name}, " + _PUBLIC[name].format(who=who)
    devnet = f"on a devnet, `poolhand devnet faucet {who}` gives RLC and coin"
    if alike is not None:
        return f"{devnet}; on {alike} itself, " + _PUBLIC[alike].format(who=who)
    return f"{devnet}; on another chain, who runs it has the RLC"
