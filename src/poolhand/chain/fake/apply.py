"""One transaction on a state: all of it or an error and nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from poolhand.chain.fake import assets, tasks
from poolhand.chain.fake.matching import close_order, match_orders
from poolhand.chain.fake.state import Log, State
from poolhand.domain.eip712 import Domain
from poolhand.domain.ids import Address, DealId
from poolhand.domain.onchain import (
    AllowHub,
    Call,
    ChangePolicy,
    Claim,
    Contribute,
    ContributeAndFinalize,
    CreateApp,
    CreateDataset,
    CreateWorkerpool,
    Deposit,
    DepositFor,
    Finalize,
    Initialize,
    Reopen,
    Reveal,
    TransferCoin,
    TransferRlc,
    Withdraw,
    WithdrawTo,
)
from poolhand.domain.orders.model import CloseOrder, MatchOrders, SponsorMatch
from poolhand.domain.units import UnixSeconds

_TASKS: Final = {
    Initialize: tasks.initialize,
    Contribute: tasks.contribute,
    Reveal: tasks.reveal,
    Finalize: tasks.finalize,
    ContributeAndFinalize: tasks.contribute_and_finalize,
    Reopen: tasks.reopen,
    Claim: tasks.claim,
}
_MONEY: Final = {
    Deposit: assets.deposit,
    Withdraw: assets.withdraw,
    WithdrawTo: assets.withdraw_to,
    AllowHub: assets.allow_hub,
    DepositFor: assets.deposit_for,
    TransferRlc: assets.transfer_rlc,
    TransferCoin: assets.transfer_coin,
    ChangePolicy: assets.change_policy,
}


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a transaction that succeeded left behind."""

    logs: list[Log] = field(default_factory=list)
    created: Address | None = None

    @property
    def deals(self) -> tuple[DealId, ...]:
        """Deals matched."""
        return tuple(log.deal_id for log in self.logs if log.deal_id is not None)


def apply(
    state: State, domain: Domain, sender: Address, call: Call, now: UnixSeconds
) -> CallOutcome:
    """Change ``state``, which the caller throws away when this raises a ``Reverted``."""
    if isinstance(call, MatchOrders):
        return CallOutcome(match_orders(state, domain, call, now))
    if isinstance(call, SponsorMatch):
        return CallOutcome(match_orders(state, domain, call.orders, now, sponsor=sender))
    if isinstance(call, CloseOrder):
        close_order(state, domain, sender, call)
        return CallOutcome()
    if isinstance(call, CreateApp | CreateDataset | CreateWorkerpool):
        return CallOutcome(created=assets.create(state, call))
    if type(call) in _TASKS:
        return CallOutcome(_TASKS[type(call)](state, sender, call, now))  # type: ignore[operator]
    _MONEY[type(call)](state, sender, call)  # type: ignore[operator]
    return CallOutcome()
