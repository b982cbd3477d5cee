"""A workerpool at an address that somebody else tells: believed once it says that it is that pool.

A market, a description on chain or an old devnet names the address; whoever answers there may be
another pool, or one of another chain. So it is asked which it is before it is asked anything else.
"""

from __future__ import annotations

from typing import Any, Final

import httpx

from poolhand.domain.ids import Address
from poolhand.ports.chain import HubFacts
from poolhand.requester.sellers import ForeignPool
from poolhand.transport.pool_client import CONFIG_PATH, POOL_CLIENT_CAPS, PoolClient
from poolhand.web.client import Caps
from poolhand.wire.pool_api import PoolConfig

FIRST_ANSWER_CAPS: Final = Caps(64 * 1024, seconds=10)
"""What the first answer of a stranger may cost: a buyer waits for it before he buys."""


class SoughtPool(PoolClient):
    """A pool that is asked which it is first.

    Every method raises, besides what ``PoolClient``'s do, ForeignPool where it is not the one.

    Args:
        http: Whose time-outs and connections are used.
        url: Where it is said to be; whether that may be visited was decided before.
        wanted: The workerpool that it must be.
        facts: Of the hub that it must serve.
    """

    remedy = "its owner must start it, or correct the URL in the market and on chain"

    def __init__(self, http: httpx.AsyncClient, url: str, wanted: Address, facts: HubFacts) -> None:
        super().__init__(http, url, FIRST_ANSWER_CAPS)
        self._wanted, self._facts, self._known = wanted, facts, False

    async def config(self) -> PoolConfig:
        """Return which pool this is, if it is the one that is sought."""
        found = await super().config()
        demand_same_hub(found, self._facts, self.url, "its owner must correct what is said of it")
        if found.workerpool != self._wanted:
            raise ForeignPool(
                f"the workerpool at {self.url} is {found.workerpool}, not {self._wanted} as is "
                "said: its owner must correct the URL in the market and on chain"
            )
        self._known, self._caps = True, POOL_CLIENT_CAPS
        return found

    async def _ask(self, method: str, path: str, **request: Any) -> Any:
        if path != CONFIG_PATH and not self._known:
            await self.config()
        return await super()._ask(method, path, **request)


def demand_same_hub(config: PoolConfig, facts: HubFacts, url: str, remedy: str) -> None:
    """Demand that a pool serves a hub; raises ForeignPool, with what is to be done."""
    if (config.chain_id, config.hub) != (facts.chain_id, facts.hub):
        raise ForeignPool(
            f"the workerpool at {url} serves hub {config.hub} on chain {config.chain_id}, not "
            f"{facts.hub} on chain {facts.chain_id}: {remedy}"
        )
