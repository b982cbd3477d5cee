"""How to reach a chain and what to pay for gas."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.domain.units import WEI_PER_GWEI, Wei


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """One chain and hub.

    Attributes:
        rpc_urls: Endpoints in order of preference; ``ws://`` ones are subscribed to, ``http://``
            ones polled.
        hub: The PoCo proxy.
        chain_id: What the endpoints must answer; None accepts any.
        native: True where RLC is the chain's own coin (no gas to pay).
        confirmations: Blocks, the log's own included, before an event is acted on.
        gas_price_multiplier: Factor on the network's price (seed: 1.3).
        gas_price_cap: Most to pay (wei per gas; seed: 22 gwei).
        gas_tip_multiplier: Factor on the usual tip: above 1, before those who pay that.
        poll_seconds: How often an endpoint without subscriptions is asked for its head.
        most_under_way: Transactions of one wallet that are sent and not mined, at most.
    """

    rpc_urls: tuple[str, ...]
    hub: Address
    chain_id: int | None = None
    native: bool = False
    confirmations: int = 1
    gas_price_multiplier: float = 1.3
    gas_price_cap: Wei = Wei(22 * WEI_PER_GWEI)
    gas_tip_multiplier: float = 1.0
    poll_seconds: float = 0.5
    most_under_way: int = 128
