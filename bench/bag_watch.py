"""What the chain tells of a bag: how many tasks are on it and paid, when, and how full blocks were."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from poolhand.chain.logs import TOPICS
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.ids import Address
from poolhand.domain.onchain import EventKind

PAUSE: Final = 0.5
"""Seconds between two looks for a block."""
BEGUN, PAID = TOPICS[EventKind.TASK_INITIALIZE], TOPICS[EventKind.TASK_FINALIZE]


@dataclass(frozen=True)
class Block:
    """One block after the deal: its time (s), how many tasks it began and paid, gas."""

    time: int
    begun: int
    paid: int
    gas_used: int
    gas_limit: int


@dataclass
class BagWatch:
    """Follows one bag from the block of its deal; one at a time, so that every event is its own.

    Args:
        rpc: Of the node.
        hub: Whose events count.
        block: Of the deal.
    """

    rpc: NodeRpc
    hub: Address
    block: int
    blocks: list[Block] = field(default_factory=list)
    start: int = 0

    async def follow(self, tasks: int, longest: float) -> None:
        """Read block after block until all are paid; raises TimeoutError."""
        self.start = (await self._read(self.block)).time
        async with asyncio.timeout(longest):
            while self.paid < tasks:
                newest = int(await self.rpc.call("eth_blockNumber"), 16)
                while self.block + len(self.blocks) < newest:
                    self.blocks.append(await self._read(self.block + len(self.blocks) + 1))
                await self._hold_price()
                await asyncio.sleep(PAUSE)

    async def _hold_price(self) -> None:
        """Keep the price of gas where it is: full blocks would double it with every sixth."""
        await self.rpc.call("anvil_setNextBlockBaseFeePerGas", "0x0")

    async def _read(self, number: int) -> Block:
        where = {"fromBlock": hex(number), "toBlock": hex(number), "address": str(self.hub)}
        head, logs = await self.rpc.batch(
            [
                ("eth_getBlockByNumber", (hex(number), False)),
                ("eth_getLogs", ({**where, "topics": [[BEGUN, PAID]]},)),
            ]
        )
        kinds = [each["topics"][0] for each in logs]
        time, used, limit = (int(head[name], 16) for name in ("timestamp", "gasUsed", "gasLimit"))
        return Block(time, kinds.count(BEGUN), kinds.count(PAID), used, limit)

    @property
    def begun(self) -> int:
        return sum(each.begun for each in self.blocks)

    @property
    def paid(self) -> int:
        return sum(each.paid for each in self.blocks)

    @property
    def initialized_s(self) -> int:
        """Seconds from the block of the deal to that of the last task's initialization."""
        return max(each.time for each in self.blocks if each.begun) - self.start

    @property
    def paid_s(self) -> int:
        """Seconds from the block of the deal to that of the last payment."""
        return max(each.time for each in self.blocks if each.paid) - self.start

    @property
    def gas_share(self) -> float:
        """Gas used, of all that the blocks had from the deal's successor to the last payment."""
        last = max(at for at, each in enumerate(self.blocks) if each.paid)
        counted = self.blocks[: last + 1]
        return sum(b.gas_used for b in counted) / sum(b.gas_limit for b in counted)
