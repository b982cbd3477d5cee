"""What a market reads of hub and registries, at named blocks and in batches."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from poolhand.chain import abi
from poolhand.chain.block_answers import BlockAnswers, Question
from poolhand.chain.link import Query
from poolhand.chain.logs import header, newest_head, scan
from poolhand.chain.market_logs import market_filter
from poolhand.chain.refusal import NodeRefusal
from poolhand.chain.rpc import Rpc, plain
from poolhand.chain.snapshot import all_told, at_blocks, call_block
from poolhand.domain.deal import Deal
from poolhand.domain.ids import (
    ZERO_ADDRESS,
    Address,
    DealId,
    FixedBytes,
    OrderHash,
    TaskId,
)
from poolhand.domain.market.publishing import OrderFacts
from poolhand.domain.market_events import MarketEvent, OrderSort
from poolhand.domain.onchain import Head
from poolhand.domain.signatures import BadSignature, recover, widen
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.ports.chain import HubFacts
from poolhand.ports.market_chain import OrderClaim, SignedHash

T = TypeVar("T")
KeyT = TypeVar("KeyT", bound=FixedBytes)
_OPTIONAL_ADDRESS: Final = abi.optional(abi.address)
STRANGERS_GAS: Final = 5_000_000
"""For a contract of anybody's to judge a signature: wallets of many signers take a tenth. Without
a limit one that burns what it is given holds up the endpoint, and everybody who is asked for along
with it."""
_VERIFY: Final = keccak(b"verifySignature(address,bytes32,bytes)")[:4]


class MarketReader:
    """Implements ``ports.market_chain.MarketChain``.

    Args:
        rpc: The endpoints.
        facts: Of the hub; its address is also the ``from`` of reads, which Arbitrum demands.
    """

    def __init__(self, rpc: Rpc, facts: HubFacts) -> None:
        self._rpc, self._facts = rpc, facts
        self._filter = market_filter(facts)
        self._known = BlockAnswers()
        self._registries = {
            OrderSort.APP: facts.app_registry,
            OrderSort.DATASET: facts.dataset_registry,
            OrderSort.WORKERPOOL: facts.workerpool_registry,
        }

    async def head(self) -> Head:
        """Return the newest block."""
        return await newest_head(self._rpc)

    async def blocks(self, numbers: Iterable[BlockNumber]) -> Sequence[Head | None]:
        """Return blocks by number."""
        return await self._rpc.ask_each([header(number) for number in numbers])

    async def events_of(self, heads: Sequence[Head]) -> tuple[MarketEvent, ...]:
        """Return what happened in exactly these blocks, in order."""
        if not heads:
            return ()
        asked = partial(self._filter.of_blocks, heads)
        found = plain(await at_blocks(self._rpc, heads, asked, all_told))
        return tuple(event for events in found for event in events)

    async def history(
        self, first: BlockNumber, last: BlockNumber
    ) -> AsyncIterator[tuple[BlockNumber, tuple[MarketEvent, ...]]]:
        """Yield what happened in a range, part by part."""
        async for end, events in scan(self._rpc, self._filter, first, last):
            yield BlockNumber(end), events

    async def consumed(self, orders: Iterable[OrderHash], at: Head) -> Mapping[OrderHash, int]:
        """Return how much of each order is used up."""
        return await self._each(orders, "viewConsumed(bytes32)", abi.word, at)

    async def stakes(self, owners: Iterable[Address], at: Head) -> Mapping[Address, NanoRlc]:
        """Return free stakes (nRLC)."""
        return await self._each(owners, "viewAccount(address)", _free, at)

    async def task_deals(self, tasks: Iterable[TaskId], at: Head) -> Mapping[TaskId, DealId]:
        """Return of which deals tasks are."""
        found = await self._each(tasks, "viewTask(bytes32)", abi.task_deal, at)
        return {name: deal for name, deal in found.items() if deal is not None}

    async def deals(self, names: Iterable[DealId], at: Head) -> Mapping[DealId, Deal]:
        """Return what matches fixed; those that the block does not have are left out."""
        wanted = tuple(names)

        def ask(by_hash: bool) -> list[Query[Any]]:
            return [self._deal(each, call_block(at, by_hash)) for each in wanted]

        found: list[Deal | None] = plain(await self._ask(ask, at)) if wanted else []
        return {deal.deal_id: deal for deal in found if deal is not None}

    def _deal(self, name: DealId, where: Any) -> Query[Deal | None]:
        data = abi.calldata("viewDeal(bytes32)", name)
        return self._view(data, lambda raw: abi.deal(raw, name), where)

    async def owners(self, assets: Iterable[Address], at: Head) -> Mapping[Address, Address]:
        """Return who owns assets; what does not answer is nobody's."""
        wanted, data = tuple(assets), abi.calldata("owner()")

        def ask(by_hash: bool) -> list[Query[Any]]:
            where = call_block(at, by_hash)
            return [self._view(data, abi.optional(abi.address), where, each) for each in wanted]

        found = await self._ask(ask, at) if wanted else []
        return {
            name: owner if isinstance(owner, Address) else ZERO_ADDRESS
            for name, owner in zip(wanted, found, strict=True)
        }

    async def order_facts(self, claims: Sequence[OrderClaim], at: Head) -> tuple[OrderFacts, ...]:
        """Return what is to be known before orders are published, in two round trips mostly.

        Whoever publishes names the resource: only what a registry knows, and so has made itself,
        is asked whose it is. Any other contract could answer with megabytes, or not for seconds.
        """
        told = await self._told([each for claim in claims for each in self._about(claim)], at)
        known = [each.resource for each in claims if self._is_registered(each, told)]
        owners = await self._told([_owner_of(each) for each in known], at)
        whose = {each: _owner_told(owners[_owner_of(each)]) for each in known}
        return tuple(
            await asyncio.gather(*(self._facts_of(claim, told, whose, at) for claim in claims))
        )

    def _about(self, claim: OrderClaim) -> list[Question]:
        by, used = claim.signed.account, abi.calldata("viewConsumed(bytes32)", claim.signed.digest)
        stake = abi.calldata("viewAccount(address)", by)
        asked = [self._at_hub(used, abi.word), self._at_hub(stake, _free), Question.of_code(by)]
        registry = self._registries.get(claim.sort)
        if registry is None:
            return asked
        known = abi.calldata("isRegistered(address)", claim.resource)
        return [*asked, Question(registry, known, abi.word)]

    def _is_registered(self, claim: OrderClaim, told: Mapping[Question, Any]) -> bool:
        _, _, _, *known = (told[each] for each in self._about(claim))
        return any(plain(known))

    async def _facts_of(
        self,
        claim: OrderClaim,
        told: Mapping[Question, Any],
        owners: Mapping[Address, Address | None],
        at: Head,
    ) -> OrderFacts:
        used, free, is_contract, *_ = plain([told[each] for each in self._about(claim)])
        is_sold = claim.sort in self._registries
        owner = owners.get(claim.resource) if is_sold else claim.resource
        is_own = _is_signer(claim.signed)
        if is_contract and owner == claim.signed.account:
            is_own = await self.vouches(claim.signed, at)
        return OrderFacts(owner, is_own, used, free)

    async def vouches(self, signed: SignedHash, at: Head) -> bool:
        """Tell whether an account that is a contract takes a signature for its own."""

        def ask(by_hash: bool) -> list[Query[Any]]:
            where = call_block(at, by_hash)
            return [self._code(signed.account, where), self._verify(signed, where)]

        is_contract, is_own = await self._ask(ask, at)
        return is_contract is True and is_own is True

    async def _told(self, questions: Sequence[Question], at: Head) -> Mapping[Question, Any]:
        """Answer questions about one block; each is asked once while that is the newest."""
        known = self._known.of(at)
        missing = [each for each in dict.fromkeys(questions) if each not in known]

        def ask(by_hash: bool) -> list[Query[Any]]:
            return [self._query(each, call_block(at, by_hash)) for each in missing]

        found = await self._ask(ask, at) if missing else []
        told = dict(zip(missing, found, strict=True))
        known |= {each: answer for each, answer in told.items() if not _is_refusal(answer)}
        return ChainMap(told, known)

    def _query(self, question: Question, where: Any) -> Query[Any]:
        if question.is_of_code:
            return self._code(question.to, where)
        return self._view(question.data, question.read, where, question.to)

    def _at_hub(self, data: str, read: Callable[[Any], Any]) -> Question:
        return Question(self._facts.hub, data, read)

    async def _each(
        self, names: Iterable[KeyT], signature: str, read: Callable[[Any], T], at: Head
    ) -> dict[KeyT, T]:
        wanted = tuple(names)

        def ask(by_hash: bool) -> list[Query[Any]]:
            where = call_block(at, by_hash)
            return [self._view(abi.calldata(signature, each), read, where) for each in wanted]

        found = plain(await self._ask(ask, at)) if wanted else []
        return dict(zip(wanted, found, strict=True))

    async def _ask(self, ask: Callable[[bool], list[Query[Any]]], at: Head) -> list[Any]:
        """Ask at one block; an endpoint that has lost it is asked no further.

        Raises:
            ChainUnreachable: No endpoint has the block.
        """
        return await at_blocks(self._rpc, [at], ask)

    def _verify(self, signed: SignedHash, where: Any) -> Query[bool]:
        values = (signed.account, signed.digest, signed.sign)
        data = "0x" + (_VERIFY + abi_encode(["address", "bytes32", "bytes"], values)).hex()
        return self._view(data, lambda raw: abi.word(raw) == 1, where, gas=STRANGERS_GAS)

    def _code(self, account: Address, where: Any) -> Query[bool]:
        """Ask whether there is a contract."""
        return Query("eth_getCode", (str(account), where), lambda raw: len(raw) > 2)

    def _view(
        self,
        data: str,
        read: Callable[[Any], T],
        where: Any,
        to: Address | None = None,
        gas: int | None = None,
    ) -> Query[T]:
        hub = str(self._facts.hub)
        asked = {"from": hub, "to": hub if to is None else str(to), "data": data}
        if gas is not None:
            asked["gas"] = hex(gas)
        form = "" if isinstance(where, str) else "eth_call by block hash"
        return Query("eth_call", (asked, where), read, form=form)


def _is_signer(signed: SignedHash) -> bool:
    try:
        return recover(signed.digest, widen(signed.sign)) == signed.account
    except BadSignature:
        return False


def _owner_of(asset: Address) -> Question:
    return Question(asset, abi.calldata("owner()"), _OPTIONAL_ADDRESS)


def _owner_told(told: Any) -> Address | None:
    return told if isinstance(told, Address) else None


def _free(raw: Any) -> NanoRlc:
    return abi.account(raw).stake


def _is_refusal(answer: Any) -> bool:
    return isinstance(answer, NodeRefusal)
