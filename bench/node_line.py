"""What light workers need of a node, for all of them together: broadcast, fees, and what was mined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.ids import TxHash
from poolhand.domain.units import Wei

PAUSE: Final = 0.1
"""Seconds between two looks at the node."""
AT_ONCE: Final = 100
"""Transactions in one request."""


class Mined(Protocol):
    """Told of a transaction's end."""

    def __call__(self, *, succeeded: bool) -> None: ...


@dataclass(frozen=True)
class Fee:
    """What a transaction pays (wei per gas): a third above the network's price, as programs do."""

    most: Wei
    priority: Wei


class NodeLine:
    """Sends what it is given in batches, and tells of each transaction when it is mined."""

    def __init__(self, url: str) -> None:
        self._rpc = NodeRpc(url)
        self._waiting: list[tuple[bytes, TxHash, Mined]] = []
        self._open: dict[str, Mined] = {}
        self._block = -1
        self.fee = Fee(Wei(0), Wei(0))

    def send(self, raw: bytes, tx: TxHash, mined: Mined) -> None:
        """Have a transaction broadcast."""
        self._waiting.append((raw, tx, mined))

    async def run(self) -> None:
        """Serve for ever; what the node refuses ends it, for half a crowd gives no figure."""
        while True:
            await self._look()
            await self._broadcast()
            await asyncio.sleep(PAUSE)

    async def _broadcast(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            for _, tx, mined in batch:
                self._open[str(tx)] = mined
            calls = [("eth_sendRawTransaction", ("0x" + raw.hex(),)) for raw, _, _ in batch]
            await self._rpc.batch(calls)

    async def _look(self) -> None:
        """Read the blocks that are new."""
        newest = int(await self._rpc.call("eth_blockNumber"), 16)
        if newest == self._block:
            return
        first = newest if self._block < 0 else self._block + 1
        for number in range(first, newest + 1):
            await self._read(number)
        self._block = newest

    async def _read(self, number: int) -> None:
        head, tip, receipts = await self._rpc.batch(
            [
                ("eth_getBlockByNumber", (hex(number), False)),
                ("eth_maxPriorityFeePerGas", ()),
                ("eth_getBlockReceipts", (hex(number),)),
            ]
        )
        price = int(head["baseFeePerGas"], 16) + int(tip, 16)
        self.fee = Fee(Wei(price * 13 // 10), Wei(int(tip, 16)))
        for each in receipts:
            self._settle(each)

    def _settle(self, receipt: dict[str, Any]) -> None:
        told: Callable[..., None] | None = self._open.pop(receipt["transactionHash"], None)
        if told is not None:
            told(succeeded=receipt["status"] == "0x1")
