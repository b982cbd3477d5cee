"""The owner's money: coin for gas in the wallet, RLC in the hub."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.ports.chain import Hub, TransactionSender
from poolhand.ports.clock import Clock
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.owner_orders import OwnerDeposits
from poolhand.settings.pool import PoolSettings


@dataclass(frozen=True, slots=True)
class MoneyParts:
    """What there is of it, and what is needed.

    Attributes:
        gas_budget: Coin for transactions: there, owed, waited for.
        collateral: RLC that a sale locks.
        deposits: The owner brings more.
    """

    gas_budget: GasBudget
    collateral: Collateral
    deposits: OwnerDeposits

    @classmethod
    def of(
        cls,
        owner: Address,
        settings: PoolSettings,
        common: CommonParts,
        hub: Hub,
        sender: TransactionSender,
        clock: Clock,
    ) -> MoneyParts:
        """Make them."""
        engine, outage = common.engine, common.outage
        gas_budget = GasBudget(
            sender, clock, lambda: engine.index.owed, common.due.wake, outage, engine.boundary
        )
        collateral = Collateral(hub, owner, lambda: settings.prices, outage)
        return cls(gas_budget, collateral, OwnerDeposits(sender, gas_budget, collateral))
