"""The owner's money: coin for gas in the wallet, RLC in the hub, and what it earned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.chain.earnings_watch import EarningsWatch
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.task.status import FINAL_TASK
from poolhand.domain.units import Seconds
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.journal import EventLog
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.earning_log import EarningLog
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.owner_orders import OwnerDeposits
from poolhand.settings.pool import PoolSettings

BETWEEN_EARNING_LOOKS: Final = Seconds(30)
"""Block time between two looks at what the owner earned, while tasks end."""


@dataclass(frozen=True, slots=True)
class MoneyParts:
    """What there is of it, and what is needed.

    Attributes:
        gas_budget: Coin for transactions: there, owed, waited for.
        collateral: RLC that a sale locks.
        deposits: The owner brings more.
        earnings: What the chain says that the owner earned.
        earning_log: Keeps that over restarts.
    """

    gas_budget: GasBudget
    collateral: Collateral
    deposits: OwnerDeposits
    earnings: EarningsWatch
    earning_log: EarningLog

    @classmethod
    def of(
        cls,
        owner: Address,
        settings: PoolSettings,
        common: CommonParts,
        hub: Hub,
        watcher: Watcher,
        sender: TransactionSender,
        clock: Clock,
        earning_log: EventLog | None,
    ) -> MoneyParts:
        """Make them."""
        engine, outage = common.engine, common.outage
        gas_budget = GasBudget(
            sender, clock, lambda: engine.index.owed, common.due.wake, outage, engine.boundary
        )
        collateral = Collateral(hub, owner, lambda: settings.prices, outage)
        facts = hub.facts
        kept = EarningLog(earning_log, f"{owner}@{facts.hub}@{facts.chain_id}")
        earnings = EarningsWatch(
            owner,
            hub,
            watcher,
            kept,
            clock,
            engine.boundary,
            (settings.workerpool,),
            BETWEEN_EARNING_LOOKS,
        )

        def changed(name: TaskId) -> None:
            if engine.tasks[name].status in FINAL_TASK:
                earnings.stir()

        engine.changed.connect(changed)
        deposits = OwnerDeposits(sender, gas_budget, collateral)
        return cls(gas_budget, collateral, deposits, earnings, kept)
