"""The way to a node in memory, with the faults of a way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from memory_node.node import MemoryNode
from poolhand.chain import Chain, connect
from poolhand.chain.link import Query, message
from poolhand.chain.refusal import EndpointDown
from poolhand.settings.chain import ChainSettings


class MemoryLink:
    """Implements ``link.SubscribingLink`` without a socket.

    Attributes:
        before: Called with the methods asked, before the node is; what it raises, comes back.
        after: The same, once the node has done it.
        heads_frozen: While True no new block is told of.
    """

    def __init__(self, node: MemoryNode, name: str = "memory://node") -> None:
        self.node, self.name = node, name
        self.before: Callable[[list[str]], None] = lambda _methods: None
        self.after: Callable[[list[str]], None] = lambda _methods: None
        self.exchanges = 0
        self.closed = False

    async def exchange(self, queries: Sequence[Query[Any]]) -> list[dict[str, Any]]:
        self.exchanges += 1
        methods = [query.method for query in queries]
        await asyncio.sleep(0)  # as on any way, others may act meanwhile
        self.before(methods)
        asked = json.loads(message(queries, list(range(len(queries)))))
        told = [self.node.answer(each) for each in (asked if len(queries) > 1 else [asked])]
        self.after(methods)
        return json.loads(json.dumps(told))

    async def heads(self) -> AsyncIterator[Any]:
        last = None
        while True:
            head = self.node.answer({"method": "eth_getBlockByNumber", "params": ["latest", False]})
            if head["result"]["hash"] != last:
                last = head["result"]["hash"]
                yield head["result"]
            else:
                await self.node.bell.wait()

    async def close(self) -> None:
        self.closed = True

    def breaks(self, method: str, *, busy: bool = False, reached: bool = True) -> Any:
        """Return what a way that breaks off at a method raises."""

        def fail(methods: list[str]) -> None:
            if method in methods:
                raise EndpointDown(self.name, f"broke off at {method}", busy=busy, reached=reached)

        return fail


class Hurry:
    """A pace at which nobody waits: time passes by being waited for.

    Attributes:
        waits: How long everybody has waited, in order.
    """

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@asynccontextmanager
async def linked(
    *links: MemoryLink, pace: Hurry | None = None, **changes: Any
) -> AsyncIterator[Chain]:
    """Connect to nodes in memory; ``changes`` are of the settings."""
    by_url = {f"memory://{number}": link for number, link in enumerate(links)}
    known = {"chain_id": links[0].node.chain.facts.chain_id, "poll_seconds": 3600.0, **changes}
    settings = ChainSettings(tuple(by_url), links[0].node.chain.facts.hub, **known)
    async with connect(settings, link=by_url.__getitem__, pace=pace) as chain:
        yield chain
