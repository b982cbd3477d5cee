"""Following every endpoint's newest block: subscribed to where possible, polled elsewhere."""

from __future__ import annotations

from contextlib import aclosing

import structlog

from poolhand.chain.blocks import read_head
from poolhand.chain.endpoint import NONSENSE, Endpoint
from poolhand.chain.errors import WrongChain
from poolhand.chain.link import SubscribingLink
from poolhand.chain.logs import header
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.rpc import Rpc

log = structlog.get_logger()


async def follow_heads(rpc: Rpc, endpoint: Endpoint, poll_seconds: float) -> None:
    """Tell ``rpc`` of an endpoint's heads for ever; ends only if it is of another chain."""
    link = endpoint.link
    subscribes = True
    while True:
        try:
            await rpc.admit(endpoint)
            if subscribes and isinstance(link, SubscribingLink):
                await _subscribe(rpc, endpoint, link)
            else:
                await _poll(rpc, endpoint)
                endpoint.answered()
                await rpc.pace.sleep(poll_seconds)
        except WrongChain:
            return
        except NodeRefusal as fault:
            log.warning("subscription_refused", endpoint=link.name, cause=str(fault))
            subscribes = False
        except EndpointDown as fault:
            rpc.fail(endpoint, fault)
            rests_until = max(endpoint.rests_until, endpoint.away_until)
            await rpc.pace.sleep(max(rests_until - rpc.pace.time(), 0))


async def _subscribe(rpc: Rpc, endpoint: Endpoint, link: SubscribingLink) -> None:
    async with aclosing(link.heads()) as heads:  # type: ignore[type-var]
        async for raw in heads:
            try:
                head = read_head(raw)
            except NONSENSE as fault:
                raise EndpointDown(
                    link.name, f"tells of a block that is none ({fault!r})"
                ) from fault
            endpoint.answered()
            rpc.saw(endpoint, head)


async def _poll(rpc: Rpc, endpoint: Endpoint) -> None:
    (head,) = await endpoint.exchange([header("latest")])
    if head is None or isinstance(head, NodeRefusal):
        raise EndpointDown(endpoint.link.name, f"has no newest block ({head})")
    rpc.saw(endpoint, head)
