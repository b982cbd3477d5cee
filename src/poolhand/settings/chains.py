"""Chains by name, and the options that every program has for reaching one.

Source: iExec SDK 9 (addresses and public endpoints), read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from poolhand.domain.ids import Address
from poolhand.domain.input_url import is_near_url
from poolhand.domain.units import Wei, parse_gas_price
from poolhand.settings.chain import ChainSettings
from poolhand.settings.load import (
    BadSetting,
    Option,
    Settings,
    address_or_none,
    fraction,
    whole,
    words,
)

KNOWN_CHAINS: Final[Mapping[str, ChainSettings]] = {
    "arbitrum": ChainSettings(
        rpc_urls=("https://arb1.arbitrum.io/rpc",),
        hub=Address.parse("0x098bFCb1E50ebcA0BaA92C12eA0c3F045A1aD9f0"),
        chain_id=42161,
    ),
    "arbitrum-sepolia": ChainSettings(
        rpc_urls=("https://sepolia-rollup.arbitrum.io/rpc",),
        hub=Address.parse("0xB2157BF2fAb286b2A4170E3491Ac39770111Da3E"),
        chain_id=421614,
    ),
    "bellecour": ChainSettings(
        rpc_urls=("https://bellecour.iex.ec",),
        hub=Address.parse("0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f"),
        chain_id=134,
        native=True,
    ),
}
"""Public chains on which iExec's contracts run."""


def public_chain(chain_id: int | None, rpc_urls: Sequence[str] = ()) -> str | None:
    """Return the name of the public chain that nodes are of; None for any other chain.

    A devnet that is like a public chain has that one's id, its hub's address even: what is left to
    tell them apart is where their nodes are. So a chain whose nodes are all on this computer or its
    network is not taken for the public one, even though it may be, by a node of one's own. Where
    RLC is the chain's own coin no devnet is like it (``devnet.likeness``): its nodes may be near.

    Args:
        chain_id: That they answer.
        rpc_urls: Of the nodes; none: the public chain's own.
    """
    name = next((name for name, each in KNOWN_CHAINS.items() if each.chain_id == chain_id), None)
    if name is None or KNOWN_CHAINS[name].native:
        return name
    return None if rpc_urls and all(map(is_near_url, rpc_urls)) else name


_NODE: Final = "IEXEC_BLOCKCHAIN_NODE_ADDRESS"
_RPC: Final = "POOLHAND_RPC"
LEAST_CAP: Final = Wei(1_000_000)
"""Wei per gas under which a cap is a slip: ten times less than the least that a chain asks here
(0.01 gwei, Arbitrum's floor)."""


def chain_options(node_variable: str = _NODE) -> tuple[Option, ...]:
    """Return the options of a chain; workers know the node under another name."""
    return (
        Option("chain", "POOLHAND_CHAIN", _chain_name, "",
               "name of a public chain: " + ", ".join(KNOWN_CHAINS)),
        Option("rpc", node_variable, words, "",
               "RPC endpoints, separated by commas, the preferred one first",
               also=() if node_variable == _RPC else (_RPC,)),
        Option("hub", "POOLHAND_HUB", address_or_none, "", "address of the PoCo hub"),
        Option("chain-id", "POOLHAND_CHAIN_ID", whole(0), "0",
               "chain id that endpoints must answer; 0: any"),
        Option("confirmations", "POOLHAND_CONFIRMATIONS", whole(1), "1",
               "blocks, its own included, before an event counts"),
        Option("gas-price-multiplier", "IEXEC_GAS_PRICE_MULTIPLIER", fraction, "1.3",
               "factor on the network's gas price"),
        Option("gas-price-cap", "IEXEC_GAS_PRICE_CAP", _cap, "22gwei",
               "most to pay for a unit of gas: '22gwei', or a plain number of wei"),
        Option("poll-seconds", "POOLHAND_POLL_SECONDS", fraction, "0.5",
               "how often an endpoint without subscriptions is asked (seconds)"),
        Option("most-under-way", "POOLHAND_MOST_UNDER_WAY", whole(1), "128",
               "transactions of one wallet that are sent and not mined, at most"),
    )  # fmt: skip


def _chain_name(text: str) -> str:
    if text and text not in KNOWN_CHAINS:
        raise ValueError("known are " + ", ".join(KNOWN_CHAINS))
    return text


def _cap(text: str) -> Wei:
    price = parse_gas_price(text)
    if 0 < price < LEAST_CAP:
        raise ValueError(
            f"{price} wei for a unit of gas pays for nothing: write gwei where you mean gwei, "
            "such as '22gwei'"
        )
    return price


def chain_settings(found: Settings) -> ChainSettings:
    """Return how to reach the chain that the settings name.

    A weaker origin never changes the chain that a stronger one names: with ``--chain`` a hub or
    chain id from the environment is passed over, and with ``--hub`` a chain from there. Endpoints
    complete each other, for their chain id is checked.

    Raises:
        BadSetting: Neither a known chain nor both endpoint and hub.
    """
    known = _known(found)
    urls = found["rpc"] or (known.rpc_urls if known else ())
    hub = _unless_overruled(found, known, "hub") or (known.hub if known else None)
    if not urls or hub is None:
        raise BadSetting(
            "no chain to work on: name one with --chain or POOLHAND_CHAIN "
            f"({', '.join(KNOWN_CHAINS)}), or give RPC endpoint (--rpc) and hub (--hub)"
        )
    return ChainSettings(
        rpc_urls=urls,
        hub=hub,
        chain_id=_unless_overruled(found, known, "chain-id") or (known.chain_id if known else None),
        native=known.native if known else False,
        confirmations=found["confirmations"],
        gas_price_multiplier=found["gas-price-multiplier"],
        gas_price_cap=found["gas-price-cap"],
        poll_seconds=found["poll-seconds"],
        most_under_way=found["most-under-way"],
    )


def _known(found: Settings) -> ChainSettings | None:
    """Return the chain by name, unless somebody who is stronger has named another hub."""
    known = KNOWN_CHAINS.get(found["chain"])
    other = known is not None and found["hub"] not in (None, known.hub)
    return None if other and found.rank("hub") > found.rank("chain") else known


def _unless_overruled(found: Settings, known: ChainSettings | None, key: str) -> Any:
    weaker = known is not None and found.rank(key) < found.rank("chain")
    return None if weaker else found[key]
