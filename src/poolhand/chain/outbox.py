"""The signed transactions of one wallet on their way to the network: in batches, in order.

Whoever signs waits neither for the disk nor for whoever is being broadcast: what is posted
meanwhile goes with the next batch. This is the one door through which transactions leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from poolhand.chain.broadcast import NodeVerdict, broadcast
from poolhand.chain.ledger import SignedTransaction
from poolhand.chain.rpc import Rpc
from poolhand.ports.lead import UNFENCED, Fence

TRANSACTIONS_PER_BATCH: Final = 50
"""Transactions of one batch: about 150 kB of the largest."""

_Letter: TypeAlias = tuple[SignedTransaction, asyncio.Future[NodeVerdict]]


class WalletOutbox:
    """Broadcasts, one batch after the other: some chains take no nonce before the one below it.

    Args:
        durable: Waits until all that is posted by now would survive a power cut.
        fence: Asked before each batch leaves.
    """

    def __init__(
        self, rpc: Rpc, durable: Callable[[], Awaitable[None]], fence: Fence = UNFENCED
    ) -> None:
        self._rpc, self._durable, self._fence = rpc, durable, fence
        self._waiting: list[_Letter] = []
        self._posting: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[list[NodeVerdict]] | None = None

    async def post(self, signed: SignedTransaction) -> NodeVerdict:
        """Hand over a transaction; returns what became of it."""
        return (await self.post_all([signed]))[0]

    async def post_all(self, signed: Sequence[SignedTransaction]) -> list[NodeVerdict]:
        """Hand over several, in order."""
        loop = asyncio.get_running_loop()
        letters: list[_Letter] = [(each, loop.create_future()) for each in signed]
        self._waiting += letters
        if letters and self._posting is None:
            self._posting = asyncio.create_task(self._run())
        return list(await asyncio.gather(*(answer for _, answer in letters)))

    async def close(self) -> None:
        """Stop; what was not answered is found in the journal."""
        if self._posting is not None:
            self._posting.cancel()
            await asyncio.gather(self._posting, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = (
                    self._waiting[:TRANSACTIONS_PER_BATCH],
                    self._waiting[TRANSACTIONS_PER_BATCH:],
                )
                await self._send(batch)
        finally:
            self._posting = None

    async def _send(self, batch: Sequence[_Letter]) -> None:
        """Broadcast a batch; each of those who wait gets its own answer, or what was raised."""
        sending = self._sending = asyncio.create_task(self._leave([signed for signed, _ in batch]))
        try:
            await asyncio.wait([sending])
        finally:
            sending.cancel()
        for place, (_, answer) in enumerate(batch):
            if answer.done():
                continue
            if (fault := sending.exception()) is not None:
                answer.set_exception(fault)
            else:
                answer.set_result(sending.result()[place])

    async def _leave(self, batch: Sequence[SignedTransaction]) -> list[NodeVerdict]:
        """Broadcast what is durable by then, and nothing else."""
        await self._durable()
        return await broadcast(self._rpc, batch, self._fence)
