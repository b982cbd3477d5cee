"""The worker's wallet, looked at with every block: is there gas for what is owed, and for more?

What is decided here stands in ``domain.gas_reserve``. While gas is short nothing new is taken;
stages that wait for gas go on by themselves when the wallet is refilled or gas gets cheaper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from poolhand.domain.deal import Account
from poolhand.domain.gas_reserve import Means, WalletGas, gas_lack, gas_remedy, judge, payable
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import Head
from poolhand.domain.replicate.machine import Refilled, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import Seconds, UnixSeconds, Wei
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.worker_wallet import WorkerWallet

ACCOUNT_PATROL: Final = Seconds(10)
"""Block time between two looks at the stake."""
PAUSE_AFTER_WALLET_FAILURE: Final = Seconds(30)
"""Pause before a stage is tried again that failed with the same wallet; grows with its failures."""
LONGEST_PAUSE_BETWEEN_WALLET_LOOKS: Final = Seconds(600)
"""The longest such pause."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Try:
    """A stage let go of: when, and what the wallet had then."""

    at: UnixSeconds
    means: Means

    def is_outdated(self, means: Means, now: UnixSeconds, failures: int) -> bool:
        """Whether another try may end otherwise: more coin, cheaper gas by an eighth, or time."""
        richer = means.balance > self.means.balance
        cheaper = means.price * 8 <= self.means.price * 7
        return (
            richer
            or cheaper
            or now
            >= self.at
            + min(PAUSE_AFTER_WALLET_FAILURE * failures, LONGEST_PAUSE_BETWEEN_WALLET_LOOKS)
        )


class WalletWatch:
    """Judges the wallet and wakes what waits for gas.

    Args:
        wallet: Looked at.
        hub: Has its stake.
        shell: Has the replicates that wait for gas.
        clock: For the pauses between tries.
        boundary: Takes what a replicate raises.
        changed: Told why nothing new may be taken, and None when it may again.

    Attributes:
        gas, account: Gas and stake as last seen; None before the first look.
        capped: Says that the cap on the price of gas is too low; None while it is not.
        gas_price: What a transaction would be offered (wei per gas); 0 before the first look.
    """

    def __init__(
        self,
        wallet: WorkerWallet,
        hub: Hub,
        shell: ReplicateShell,
        clock: Clock,
        boundary: FaultBoundary,
        changed: Callable[[str | None], None],
    ) -> None:
        self._wallet, self._hub, self._shell, self._clock = wallet, hub, shell, clock
        self._boundary, self._changed = boundary, changed
        self._looked = self._appraised = UnixSeconds(0)
        self._tries: dict[TaskId, _Try] = {}
        self.is_short = False
        self.gas: WalletGas | None = None
        self.capped: str | None = None
        self.account: Account | None = None
        self.gas_price = Wei(0)

    async def look(self, head: Head) -> None:
        """Read the wallet, at most once per second of block time; raises ChainUnreachable."""
        if head.timestamp == self._looked:
            return
        means = await self._wallet.means()
        self._looked, self.gas_price = head.timestamp, means.price
        self._judge(means)
        self._wake(means)
        if head.timestamp >= self._appraised + ACCOUNT_PATROL:
            worker = self._wallet.address
            self.account = (await self._hub.accounts([worker]))[worker]
            self._appraised = head.timestamp

    def moved(self, account: Account) -> None:
        """Note the account as a deposit or a payment left it."""
        self.account = account

    def _judge(self, means: Means) -> None:
        before, self.gas = self.gas, judge(means, self._wallet.owed)
        was_short, self.is_short = self.is_short, self.gas.is_short(self.is_short)
        was_capped, self.capped = self.capped, means.cap_told if means.is_capped_out else None
        self._note(was_short, was_capped)
        if self.is_short:
            reason = shortage(self.gas, self._wallet.address)
            if not was_short or before is None or before.balance != self.gas.balance:
                self._changed(reason)
        elif self.capped:
            if self.capped != was_capped or was_short:
                self._changed(self.capped)
        elif was_short or was_capped:
            self._changed(None)

    def _note(self, was_short: bool, was_capped: str | None) -> None:
        """Tell once that gas is short or too dear, and once that it no longer is."""
        assert self.gas is not None
        wallet = str(self._wallet.address)
        if self.is_short and not was_short:
            log.error("gas_short", wallet=wallet, cause=shortage(self.gas, self._wallet.address))
        elif was_short and not self.is_short:
            log.info("gas_refilled", wallet=wallet, balance=self.gas.balance)
        if self.capped and not was_capped:
            log.error("gas_price_cap_too_low", cause=self.capped)
        elif was_capped and not self.capped:
            log.info("gas_price_within_cap")

    def _wake(self, means: Means) -> None:
        held = {name: each for name, each in self._shell.replicates.items() if not each.is_over}
        self._tries = {name: tried for name, tried in self._tries.items() if name in held}
        waiting = [
            (task_id, each.parked, each.offer.flow)
            for task_id, each in held.items()
            if each.parked is not None and self._may_try(task_id, each, means)
        ]
        for task_id in payable(means, self._wallet.owed, waiting):
            self._tries[task_id] = _Try(self._clock.steady(), means)
            log.info("stage_resumed", task_id=str(task_id), wei=means.balance)
            with self._boundary.around("refill", task_id=str(task_id)):
                self._shell.feed(task_id, Refilled(self._clock.now()))

    def _may_try(self, task_id: TaskId, replicate: Replicate, means: Means) -> bool:
        before, failures = self._tries.get(task_id), replicate.count(Status.OUT_OF_GAS)
        return before is None or before.is_outdated(means, self._clock.steady(), failures)


def shortage(gas: WalletGas, wallet: Address) -> str:
    """Say who must send how much to whom."""
    return f"gas: {gas_lack(gas, wallet)}: {gas_remedy(gas)}"
