"""Depositing while the worker runs: it holds the lock of its wallet, so it is asked to.

The client names every order by a word of its own. One that is repeated because its answer was lost
finds what the first one sent, even after a restart of the worker, and deposits nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import structlog

from poolhand.chain.errors import BalanceTooLow
from poolhand.domain import onchain
from poolhand.domain.deal import Account
from poolhand.domain.errors import BrokenPrecondition, NothingToDeposit
from poolhand.domain.onchain import Receipt
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.ports.chain import Watcher
from poolhand.worker.stages.stake import StakeLook
from poolhand.worker.task_views import MOST_HEADS_BEHIND
from poolhand.worker.worker_wallet import WorkerWallet

MOST_RLC_DEPOSITED: Final = NanoRlc(2**63 - 1)
"""More than all the RLC there is."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deposited:
    """A deposit that was mined, and the account as it is since."""

    receipt: Receipt
    account: Account


class Depositor:
    """Turns the wallet's RLC into stake when the operator says so.

    Args:
        wallet: Sends.
        stake: Reads what has become of it.
        watcher: Tells when to look again.
        deposited: Told of the account as a deposit left it.
    """

    def __init__(
        self,
        wallet: WorkerWallet,
        stake: StakeLook,
        watcher: Watcher,
        deposited: Callable[[Account], None],
    ) -> None:
        self._wallet, self._stake, self._watcher = wallet, stake, watcher
        self._deposited = deposited

    async def deposit(self, name: str, amount: NanoRlc) -> Deposited:
        """Deposit once for each name and amount, and wait until it is mined.

        The gas of reveals owed is left alone: a stake that is locked comes before one that is free.

        Args:
            name: Of this order, chosen by who gives it.
            amount: To turn into stake (nRLC).

        Raises:
            NothingToDeposit: An amount of 0.
            BalanceTooLow: The wallet has less RLC than that outside the hub.
            OutOfGas: It cannot pay, or not with what the reveals owed may cost left over.
            ChainUnreachable: No endpoint answers; whether it was mined is unknown.
            Displaced: Another program keeps using the wallet; nothing was deposited.
        """
        if amount <= 0:
            raise NothingToDeposit
        receipt = await self._send(f"deposit:{name}:{amount}", amount)
        log.info("stake_deposited", nrlc=amount, tx=str(receipt.tx_hash), block=receipt.block)
        account = await self._account_since(receipt.block)
        self._deposited(account)
        return Deposited(receipt, account)

    async def _send(self, purpose: str, amount: NanoRlc) -> Receipt:
        reserve = await self._wallet.reserve()
        try:
            return await self._wallet.place(purpose, onchain.Deposit(amount), reserve)
        except BalanceTooLow as fault:
            told = BalanceTooLow(f"{fault}: send RLC to {self._wallet.address}, or deposit less")
            told.is_mined = fault.is_mined
            raise told from fault

    async def _account_since(self, block: BlockNumber) -> Account:
        """Read the account as a block left it: a node may lag behind the one with the receipt."""
        seen = 0
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                head, account = await self._stake.at_head()
                seen += 1
                if head.number >= block or seen > MOST_HEADS_BEHIND:
                    return account
        raise BrokenPrecondition("the watcher of heads has ended")
