"""Which workerpool to ask about a task: the one that was named, else the one that the chain names.

A workerpool's description on chain may hold its URL. Whoever answers there is asked which pool it
is before it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from poolhand.domain.deal import Workerpool
from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.ids import TaskId
from poolhand.domain.text import shown
from poolhand.ports.chain import Hub
from poolhand.requester.named_urls import UrlRule, described_url
from poolhand.transport.pool_client import PoolClient


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Whom we ask about a task, and why nobody, or why nobody answered (``silence``)."""

    pool: PoolClient | None
    silence: str


async def inquire(
    hub: Hub, http: httpx.AsyncClient, named: PoolClient | None, rule: UrlRule, task_id: TaskId
) -> Inquiry:
    """Find the pool to ask about a task.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    owner = await _workerpool(hub, task_id)
    if named is not None:
        return Inquiry(named, await _why_in_vain(named, owner))
    how = "name it with --pool-url URL, or $POOLHAND_POOL_URL"
    if owner is None:
        return Inquiry(None, f"no workerpool was asked, for none is named: {how}")
    url = described_url(owner.description)
    about = f"the task's workerpool {owner.address} ('{shown(owner.description, 60)}')"
    if url is None:
        return Inquiry(None, f"no workerpool was asked: {about} tells no URL on chain; {how}")
    if not await rule.allows(url):
        return Inquiry(
            None, f"no workerpool was asked: {about} tells {shown(url)}, no public https URL; {how}"
        )
    pool = PoolClient(http, url)
    return Inquiry(pool, await _why_in_vain(pool, owner))


async def _workerpool(hub: Hub, task_id: TaskId) -> Workerpool | None:
    deal_id = await hub.task_deal(task_id)
    deal = await hub.deal(deal_id) if deal_id else None
    return await hub.workerpool(deal.workerpool.address) if deal else None


async def _why_in_vain(pool: PoolClient, owner: Workerpool | None) -> str:
    """Say why a pool that was asked may know nothing of a task."""
    try:
        config = await pool.config()
    except (Unavailable, Refused, PeerFault) as fault:
        return f"the workerpool at {pool.url} could not be asked: {fault}"
    if owner is not None and config.workerpool != owner.address:
        return (
            f"the workerpool at {pool.url} is {config.workerpool}, but the task belongs to "
            f"{owner.address}: give that one's URL with --pool-url"
        )
    return f"the workerpool at {pool.url} was asked and does not know this task (any more)"
