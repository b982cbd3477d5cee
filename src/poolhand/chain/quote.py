"""Before a transaction is signed: would it succeed, how much gas, at what price, can it be paid?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from poolhand.chain import abi
from poolhand.chain.diagnose import Diagnosis
from poolhand.chain.encode import Encoded, encode
from poolhand.chain.fees import gas_price, priority_fee
from poolhand.chain.gas import Fees, GasRule, out_of_gas
from poolhand.chain.hub import PocoHub
from poolhand.chain.link import Query
from poolhand.chain.refusal import NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.domain.errors import ChainUnreachable, PoolhandError, Reverted
from poolhand.domain.gas_reserve import CONTRIBUTE_GAS, REVEAL_GAS, Means
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Call, Contribute, ContributeAndFinalize, Finalize, Head, Reveal
from poolhand.domain.units import BlockNumber, Gas, Wei
from poolhand.ports.chain import FollowUp

LEAST_GAS: Final = {Contribute: CONTRIBUTE_GAS, Reveal: REVEAL_GAS}
"""Limits under which these are never sent: what others do before our block costs us gas, too (a
contribution that completes the consensus takes up to 150 000 more than one that does not)."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A transaction that is ready but for its nonce; ``held`` is what the wallet had (wei)."""

    encoded: Encoded
    gas: Gas
    fees: Fees
    held: Wei

    @property
    def cost(self) -> Wei:
        """The most it takes from the wallet."""
        return Wei(self.gas * self.fees.max_fee + self.encoded.value)


@dataclass(frozen=True, slots=True)
class Quotes:
    """Makes quotes for one wallet.

    Args:
        tip: Returns the newest block as it is followed.
    """

    rpc: Rpc
    hub: PocoHub
    rule: GasRule
    sender: Address
    tip: Callable[[], Head | None]

    @property
    def diagnosis(self) -> Diagnosis:
        """Explains refusals of this wallet's calls."""
        return Diagnosis(self.hub, self.hub.task_deal, self.sender)

    async def quote(self, purpose: str, call: Call) -> Quote:
        """Estimate a call at the newest block.

        Raises:
            Reverted: The contract would refuse it now.
            OutOfGas: The wallet cannot pay for it.
            ChainUnreachable: No endpoint answered.
        """
        encoded = encode(call, self.hub.facts)
        head = self.tip() or await self.hub.head()
        asked: list[Query[Any]] = [self._estimate(encoded), balance(self.sender)]
        price = self._price(head)
        estimate, held, *told = await self.rpc.ask_all([*asked, *([price] if price else [])])
        if isinstance(estimate, NodeRefusal):
            if estimate.no_funds and not estimate.reverted:
                raise out_of_gas(self.sender, purpose, _lack(encoded.value, held))
            raise await self.diagnosis.why(purpose, call, estimate.data, estimate.reason)
        gas = await self._limit(call, estimate)
        made = Quote(encoded, gas, self._fees(head, told), self._balance(held))
        if made.cost > made.held:
            raise out_of_gas(self.sender, purpose, Wei(made.cost - made.held))
        return made

    def follow(self, first: Quote, then: Iterable[FollowUp]) -> list[tuple[str, Quote]]:
        """Quote what rests on a call and so cannot be estimated, by purpose."""
        return [
            (each.purpose, replace(first, encoded=encode(each.call, self.hub.facts), gas=each.gas))
            for each in then
        ]

    async def means(self) -> Means:
        """Return what the wallet has, and what gas costs, at the newest block.

        Raises:
            ChainUnreachable: No endpoint answered.
        """
        head = self.tip() or await self.hub.head()
        price = self._price(head)
        asked: list[Query[Any]] = [balance(self.sender), *([price] if price else [])]
        held, *told = await self.rpc.ask_all(asked)
        cap = Wei(0) if self.rule.native else self.rule.cap
        return Means(self._balance(held), self._fees(head, told).max_fee, cap, _asked(head, told))

    def _balance(self, held: Any) -> Wei:
        if isinstance(held, NodeRefusal):
            raise ChainUnreachable(f"the balance of {self.sender} cannot be read: {held}")
        return Wei(held)

    async def fees(self, head: Head) -> Fees:
        """Return what to pay in the block after ``head``."""
        price = self._price(head)
        return self._fees(head, await self.rpc.ask_all([price] if price else []))

    async def why(self, purpose: str, call: Call, block: BlockNumber | None) -> PoolhandError:
        """Explain why a mined transaction failed."""
        encoded = encode(call, self.hub.facts)
        at = "latest" if block is None else hex(block)
        query = Query("eth_call", (self._message(encoded), at), abi.raw_bytes)
        (answer,) = await self.rpc.ask_all([query])
        data, said = b"", ""
        if isinstance(answer, NodeRefusal):
            data, said = answer.data, answer.reason
        fault = await self.diagnosis.why(purpose, call, data, said)
        if isinstance(fault, Reverted):
            fault.is_mined = True
        return fault

    def _estimate(self, encoded: Encoded) -> Query[Gas]:
        def ask(*params: Any, instead: Query[Gas] | None = None) -> Query[Gas]:
            form = "eth_estimateGas at a block" if instead else ""
            return Query(
                "eth_estimateGas", params, lambda raw: Gas(abi.quantity(raw)), instead, form
            )

        message = self._message(encoded)
        return ask(message, "latest", instead=ask(message))

    def _message(self, encoded: Encoded) -> dict[str, str]:
        return {
            "from": str(self.sender),
            "to": str(encoded.to),
            "value": hex(encoded.value),
            "data": "0x" + encoded.data.hex(),
        }

    def _price(self, head: Head) -> Query[Wei] | None:
        if self.rule.native:
            return None
        return gas_price() if head.base_fee is None else priority_fee(head.base_fee)

    def _fees(self, head: Head, told: list[Any]) -> Fees:
        """Apply the operator's rule to what the network told; a node that tells nothing: 0."""
        named = told[0] if told and not isinstance(told[0], NodeRefusal) else Wei(0)
        if head.base_fee is None:
            return self.rule.legacy(named)
        return self.rule.dynamic(head.base_fee, named)

    async def _limit(self, call: Call, estimate: Gas) -> Gas:
        """Return the estimate with a fifth on top, and what a callback may use."""
        gas = estimate * 6 // 5
        if isinstance(call, (Finalize, ContributeAndFinalize)) and await self._calls_back(call):
            gas += self.hub.facts.callback_gas
        return Gas(max(gas, LEAST_GAS.get(type(call), 0)))

    async def _calls_back(self, call: Finalize | ContributeAndFinalize) -> bool:
        if call.callback_data:
            return True
        deal_id = await self.hub.task_deal(call.task_id)
        deal = await self.hub.deal(deal_id) if deal_id else None
        return deal is not None and deal.has_callback


def _asked(head: Head, told: list[Any]) -> Wei:
    """Return the least that a block takes: its base fee, else what the node names; 0: unknown."""
    if head.base_fee is not None:
        return head.base_fee
    return told[0] if told and not isinstance(told[0], NodeRefusal) else Wei(0)


def _lack(cost: Wei, held: Any) -> Wei:
    return Wei(max(0, cost - held)) if isinstance(held, int) else Wei(0)


def balance(owner: Address) -> Query[Wei]:
    """Ask for a wallet's coin."""
    return Query("eth_getBalance", (str(owner), "latest"), lambda raw: Wei(abi.quantity(raw)))
