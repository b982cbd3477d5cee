"""Why the contracts refused: PoCo reverts without a word, so the state is read and asked.

A diagnosis reads the newest block, which may be later than the refusal; where the state has moved
on it names what forbids the call now, which is what the caller must know to decide again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from poolhand.chain import guards
from poolhand.chain.errors import (
    BadPolicy,
    BalanceTooLow,
    NotOwner,
    UnexplainedRevert,
)
from poolhand.chain.guards import GuardFacts
from poolhand.chain.revert import explain, revert_text
from poolhand.domain.errors import PoolhandError, Reverted
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import (
    Call,
    ChangePolicy,
    Claim,
    Contribute,
    ContributeAndFinalize,
    Deposit,
    DepositFor,
    Finalize,
    Head,
    Initialize,
    Reopen,
    Reveal,
    TransferRlc,
    Withdraw,
    WithdrawTo,
)
from poolhand.domain.units import NanoRlc, UnixSeconds, show_rlc
from poolhand.ports.chain import Hub

TaskDeal: TypeAlias = Callable[[TaskId], Awaitable[DealId | None]]
"""Reads which deal a task belongs to; None before ``initialize``."""
TaskCall: TypeAlias = Initialize | Contribute | Reveal | ContributeAndFinalize | Finalize | Reopen


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Explains refusals of one wallet's calls.

    Args:
        hub: Where state is read.
        task_deal: Reads a task's deal, on the endpoint that refused.
        sender: The wallet.
    """

    hub: Hub
    task_deal: TaskDeal
    sender: Address

    async def why(self, purpose: str, call: Call, data: bytes, text: str = "") -> PoolhandError:
        """Return the error that explains a revert, ``UnexplainedRevert`` at worst.

        Args:
            purpose: Names the intention in the message.
            call: What was refused.
            data: What the contract returned.
            text: A message that the node read out of it already.
        """
        said = revert_text(data) or text
        try:
            await self._look(call)
        except Reverted as found:
            return found
        return explain(purpose, said) or UnexplainedRevert(purpose, data, said)

    async def _look(self, call: Call) -> None:
        """Raise the guard that forbids a call at the newest block."""
        match call:
            case Initialize(tasks):
                for deal_id, index in tasks:
                    known = await self._facts(task_id(deal_id, index))
                    deal = await self.hub.deal(deal_id)
                    guards.initialize(replace(known, deal=deal), index)
            case Claim(tasks):
                for name in tasks:
                    guards.claim(await self._facts(name))
            case Contribute() | Reveal() | ContributeAndFinalize() | Finalize() | Reopen():
                _guard(await self._facts(call.task_id), call)
            case (
                Deposit() | DepositFor() | Withdraw() | WithdrawTo() | TransferRlc()
                | ChangePolicy()
            ):  # fmt: skip
                await self._look_at_assets(call)
            case _:
                return

    async def _facts(self, name: TaskId) -> GuardFacts:
        head: Head = await self.hub.head()
        view = (await self.hub.tasks({name: [self.sender]}))[name]
        deal_id = await self.task_deal(name)
        deal = await self.hub.deal(deal_id) if deal_id else None
        account = (await self.hub.accounts([self.sender]))[self.sender]
        now = UnixSeconds(max(view.block_time, head.timestamp))
        return GuardFacts(now, self.sender, deal, view, account.stake)

    async def _look_at_assets(
        self,
        call: Deposit | DepositFor | Withdraw | WithdrawTo | TransferRlc | ChangePolicy,
    ) -> None:
        if isinstance(call, ChangePolicy):
            pool = await self.hub.workerpool(call.workerpool)
            if pool is None or pool.owner != self.sender:
                raise NotOwner(f"workerpool {call.workerpool} is not {self.sender}'s")
            if call.scheduler_percent > 100:
                raise BadPolicy(f"a scheduler cannot keep {call.scheduler_percent} % of the price")
        elif isinstance(call, Withdraw | WithdrawTo):
            account = (await self.hub.accounts([self.sender]))[self.sender]
            self._demand(account.stake, call.amount, "of free stake")
        else:
            balances = await self.hub.rlc_balances([self.sender])
            self._demand(balances[self.sender], call.amount, "outside the hub")

    def _demand(self, balance: NanoRlc, amount: NanoRlc, where: str) -> None:
        if balance < amount:
            raise BalanceTooLow(
                f"{self.sender} has {show_rlc(balance)} RLC {where}, {show_rlc(amount)} are wanted"
            )


def _guard(facts: GuardFacts, call: TaskCall) -> None:
    match call:
        case Contribute():
            guards.contribute(facts, call)
        case Reveal():
            guards.reveal(facts, call)
        case ContributeAndFinalize():
            guards.contribute_and_finalize(facts, call)
        case Finalize():
            guards.finalize(facts, call)
        case Reopen():
            guards.reopen(facts)
