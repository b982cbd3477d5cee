"""Transactions of tasks, and what has become of them."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.ports.chain import Hub, TransactionSender
from poolhand.ports.clock import Clock
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.looks import Looks
from poolhand.scheduler.packer import Packer
from poolhand.scheduler.transactions import Transactions
from poolhand.settings.pool import PoolSettings


@dataclass(frozen=True, slots=True)
class SendingParts:
    """Looking before and after, and sending.

    Attributes:
        looks: Read tasks from the chain when something says that they have changed.
        transactions: Initialize, finalize, reopen and claim tasks.
    """

    looks: Looks
    transactions: Transactions

    @classmethod
    def of(
        cls,
        settings: PoolSettings,
        common: CommonParts,
        gas_budget: GasBudget,
        hub: Hub,
        sender: TransactionSender,
        clock: Clock,
    ) -> SendingParts:
        """Make them."""
        engine, time = common.engine, common.time
        looks = Looks(engine, hub, common.retry)
        packer = Packer(settings.batch_gas_share, settings.chain.confirmations, lambda: time.head)
        transactions = Transactions(
            engine, sender, gas_budget, clock, looks.look, common.outage, packer
        )
        return cls(looks, transactions)
