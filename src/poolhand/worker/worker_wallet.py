"""The worker's wallet, which keeps enough gas for the reveals that it owes."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from poolhand.chain.errors import Displaced
from poolhand.domain import gas_reserve
from poolhand.domain.gas_reserve import Means, reveals_owed
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import Call, Receipt
from poolhand.domain.replicate.machine import Replicate
from poolhand.domain.units import Wei
from poolhand.ports.chain import TransactionSender

log = structlog.get_logger()


class WorkerWallet:
    """A sender that knows what is owed.

    Args:
        address: Of the wallet.
        sender: Its transactions.
        replicates: All that are held.
    """

    def __init__(
        self, address: Address, sender: TransactionSender, replicates: Mapping[TaskId, Replicate]
    ) -> None:
        self.address, self._sender, self._replicates = address, sender, replicates

    @property
    def owed(self) -> int:
        """The reveals that are still to be paid for."""
        return reveals_owed(self._replicates.values())

    async def means(self) -> Means:
        """Return what there is for gas; raises ChainUnreachable."""
        return await self._sender.means()

    async def reserve(self, least: int = 0) -> Wei:
        """Return what the reveals owed, or so many, may cost (wei); raises ChainUnreachable."""
        return gas_reserve.reserve(await self.means(), max(self.owed, least))

    async def place(self, purpose: str, call: Call, reserve: Wei) -> Receipt:
        """Send a call; once more if the wallet was used elsewhere, for then ours is never mined."""
        try:
            return await self.send(purpose, call, reserve)
        except Displaced as fault:
            log.warning("transaction_displaced", purpose=purpose, cause=str(fault))
            return await self.send(purpose, call, reserve)

    async def send(self, purpose: str, call: Call, reserve: Wei = Wei(0)) -> Receipt:
        """Send a call, see ``TransactionSender.send``."""
        return await self._sender.send(purpose, call, reserve)
