"""What the tests of the chain share: streams followed into lists, a market on a node."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from chain_fixtures import WALLETS, Node
from poolhand.chain import Chain

sys.path.insert(0, str(Path(__file__).parent.parent / "contract"))


async def market_on(node: Node, chain: Chain):
    """Open a market; its wallets' journals are the node's."""
    from hub_world import Market, World

    async def total() -> int:
        return 0

    world = World(
        chain.hub,
        chain.watcher,
        list(WALLETS),
        lambda wallet: node.sender(chain, wallet),
        node.advance,
        total,
    )
    return await Market.open(world)


class Followed(list):
    """What a stream has yielded so far."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    async def collect(self, stream) -> None:
        async for each in stream:
            self.append(each)
            self._more.set()

    async def until(self, met) -> None:
        """Wait, at most 20 s, until what was yielded meets a condition."""
        async with asyncio.timeout(60):
            while not met(self):
                self._more.clear()
                await self._more.wait()


async def heads_until(chain: Chain, met) -> None:
    """Wait at most 20 s, looking at each new head, until a condition holds."""
    async with asyncio.timeout(60):
        if await met():
            return
        async for _ in chain.watcher.heads():
            if await met():
                return


async def mined(node: Node, wallet) -> int:
    """How many transactions of a wallet are on chain."""
    return int(await node.rpc("eth_getTransactionCount", str(wallet.address), "latest"), 16)
