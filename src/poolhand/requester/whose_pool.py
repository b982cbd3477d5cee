"""Where a workerpool is to be asked: at the URL that was named, else where chain or market say.

A workerpool's description on chain may hold its URL, and a market has its profile. Strangers wrote
both: the rule for such addresses says what is visited, and whoever answers there is asked which
pool it is before it is believed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import httpx

from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.text import shown
from poolhand.ports.chain import Hub
from poolhand.requester.named_urls import UrlRule, described_url, is_web_address
from poolhand.requester.sellers import ForeignPool
from poolhand.requester.sought_pool import SoughtPool, demand_same_hub
from poolhand.transport.market_client import MarketClient
from poolhand.transport.pool_client import PoolClient
from poolhand.wire.pool_api import PoolConfig

HOW_TO_NAME_POOL: Final = "name it with --pool-url URL, or $POOLHAND_POOL_URL"
_FAULTS: Final = (Unavailable, Refused, PeerFault)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Whom we ask, and why nobody, or why nobody answered.

    Attributes:
        pool: Its client; one that did not answer may do so later. None where there is nobody.
        silence: Why it is of no use; empty where it is.
        config: What it said of itself; None where it could not be asked.
        is_told: Whether anybody told a URL at all.
    """

    pool: PoolClient | None
    silence: str = ""
    config: PoolConfig | None = None
    is_told: bool = True


@dataclass(frozen=True, slots=True)
class PoolFinder:
    """Finds the API of a workerpool.

    Attributes:
        hub: Asked what its owner wrote on chain.
        http: For the pools.
        named: The one whose URL was named, or is known.
        market: Asked for profiles; None: no market is.
        rule: For what strangers wrote.
    """

    hub: Hub
    http: httpx.AsyncClient
    named: PoolClient | None
    market: MarketClient | None
    rule: UrlRule
    _known: dict[tuple[str, Address], SoughtPool] = field(default_factory=dict, repr=False)

    async def find(self, workerpool: Address) -> Inquiry:
        """Find a pool that answers and is this one.

        Raises:
            ChainUnreachable: No endpoint answers.
        """
        tried: list[Inquiry] = []
        async for each in self._tries(workerpool):
            if each.config is not None:
                return each
            tried.append(each)
        away = next((each.pool for each in tried if each.pool is not None), None)
        why = "; ".join(dict.fromkeys(each.silence for each in tried))
        is_told = any(each.is_told for each in tried)
        if away is not None:
            return Inquiry(away, why, is_told=is_told)
        return Inquiry(
            None, f"no workerpool could be asked: {why}; {HOW_TO_NAME_POOL}", is_told=is_told
        )

    async def of_task(self, task_id: TaskId) -> Inquiry:
        """Find the pool to ask about a task; before its deal is known that is the named one.

        Raises:
            ChainUnreachable: No endpoint answers.
        """
        owner = await _workerpool(self.hub, task_id)
        if owner is not None:
            found = await self.find(owner)
            return _silent(found) if found.config else found
        if self.named is None:
            return Inquiry(
                None, f"no workerpool could be asked, for none is named: {HOW_TO_NAME_POOL}"
            )
        asked = await _asked(self.named)
        return _silent(asked) if asked.config else asked

    def at(self, url: str, workerpool: Address) -> SoughtPool:
        """Return the client of a pool at a URL that may be visited; the same one each time."""
        key = url, workerpool
        if key not in self._known:
            self._known[key] = SoughtPool(self.http, url, workerpool, self.hub.facts)
        return self._known[key]

    async def _tries(self, workerpool: Address) -> AsyncIterator[Inquiry]:
        if self.named is not None:
            yield await self._asked_named(self.named, workerpool)
        pool = await self.hub.workerpool(workerpool)
        yield await self._described(workerpool, pool.description if pool else "")
        if self.market is not None:
            yield await self._in_market(self.market, workerpool)

    async def _asked_named(self, pool: PoolClient, wanted: Address) -> Inquiry:
        found = await _asked(pool)
        if found.config is None:
            return found
        if found.config.workerpool != wanted:
            other = f"the workerpool at {pool.url} is {found.config.workerpool}, not {wanted}"
            return Inquiry(None, other, is_told=False)
        try:
            demand_same_hub(found.config, self.hub.facts, pool.url, "correct its URL")
        except ForeignPool as fault:
            return Inquiry(None, str(fault))
        return found

    async def _described(self, workerpool: Address, description: str) -> Inquiry:
        about = f"workerpool {workerpool} ('{shown(description, 60)}')"
        url = described_url(description)
        if url is None:
            return Inquiry(None, f"{about} tells no URL on chain", is_told=False)
        return await self._sought(url, workerpool, about)

    async def _in_market(self, market: MarketClient, workerpool: Address) -> Inquiry:
        try:
            url = await market.pool_url(workerpool)
        except _FAULTS as fault:
            return Inquiry(None, f"where it is the market could not say: {fault}")
        if url is None:
            silence = f"it has told the market at {market.url} no URL either"
            return Inquiry(None, silence, is_told=False)
        about = f"workerpool {workerpool} in the market at {market.url}"
        return await self._sought(url, workerpool, about)

    async def _sought(self, url: str, workerpool: Address, about: str) -> Inquiry:
        """Ask whoever is where a stranger says that a pool is."""
        if not (is_web_address(url) and await self.rule.allows(url)):
            return Inquiry(None, f"{about} tells {shown(url, 200)}, no public https URL")
        return await _asked(self.at(url, workerpool))


async def _workerpool(hub: Hub, task_id: TaskId) -> Address | None:
    deal_id = await hub.task_deal(task_id)
    deal = await hub.deal(deal_id) if deal_id else None
    return deal.workerpool.address if deal else None


async def _asked(pool: PoolClient) -> Inquiry:
    """Ask a pool which it is; who is another one than was said is not asked again."""
    try:
        return Inquiry(pool, config=await pool.config())
    except ForeignPool as fault:
        return Inquiry(None, str(fault))
    except _FAULTS as fault:
        return Inquiry(pool, f"the workerpool at {pool.url} could not be asked: {fault}")


def _silent(found: Inquiry) -> Inquiry:
    """Say why a pool that is the right one may know nothing of a task."""
    assert found.pool is not None
    told = f"the workerpool at {found.pool.url} was asked and does not know this task (any more)"
    return Inquiry(found.pool, told, found.config)
