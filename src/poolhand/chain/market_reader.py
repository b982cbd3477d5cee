"""What a market reads of hub and registries, at named blocks and in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from poolhand.chain import abi
from poolhand.chain.link import Query
from poolhand.chain.logs import header, scan
from poolhand.chain.market_logs import MarketFilter
from poolhand.chain.refusal import NodeRefusal
from poolhand.chain.rpc import Rpc, plain
from poolhand.chain.snapshot import at_blocks
from poolhand.domain.deal import Deal
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, FixedBytes, OrderHash
from poolhand.domain.market.publishing import OrderFacts
from poolhand.domain.market_events import MarketEvent, OrderSort
from poolhand.domain.onchain import Head
from poolhand.domain.signatures import BadSignature, recover, widen
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.ports.chain import HubFacts
from poolhand.ports.market_chain import SignedHash

T = TypeVar("T")
KeyT = TypeVar("KeyT", bound=FixedBytes)
_VERIFY: Final = keccak(b"verifySignature(address,bytes32,bytes)")[:4]


class MarketReader:
    """Implements ``ports.market_chain.MarketChain``.

    Args:
        rpc: The endpoints.
        facts: Of the hub; its address is also the ``from`` of reads, which Arbitrum demands.
    """

    def __init__(self, rpc: Rpc, facts: HubFacts) -> None:
        self._rpc, self._facts = rpc, facts
        self._filter = MarketFilter(facts)

    async def head(self) -> Head:
        """Return the newest block."""
        found = await self._rpc.ask(header("latest"))
        if found is None:
            raise ChainUnreachable("the endpoint has no newest block: wait until it has synced")
        return found

    async def blocks(self, numbers: Iterable[BlockNumber]) -> Sequence[Head | None]:
        """Return blocks by number."""
        return await self._rpc.ask_each([header(number) for number in numbers])

    async def events_of(self, heads: Sequence[Head]) -> tuple[MarketEvent, ...]:
        """Return what happened in exactly these blocks, in order."""
        if not heads:
            return ()
        asked = partial(self._filter.of_blocks, heads)
        found = plain(await at_blocks(self._rpc, heads, asked, _all_told))
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

    async def deals(self, names: Iterable[DealId], at: Head) -> Mapping[DealId, Deal]:
        """Return what matches fixed; those that the block does not have are left out."""
        wanted = tuple(names)

        def ask(by_hash: bool) -> list[Query[Any]]:
            return [self._deal(each, _where(at, by_hash)) for each in wanted]

        found: list[Deal | None] = plain(await self._ask(ask, at)) if wanted else []
        return {deal.deal_id: deal for deal in found if deal is not None}

    def _deal(self, name: DealId, where: Any) -> Query[Deal | None]:
        data = abi.calldata("viewDeal(bytes32)", name)
        return self._view(data, lambda raw: abi.deal(raw, name), where)

    async def owners(self, assets: Iterable[Address], at: Head) -> Mapping[Address, Address]:
        """Return who owns assets; what does not answer is nobody's."""
        wanted, data = tuple(assets), abi.calldata("owner()")

        def ask(by_hash: bool) -> list[Query[Any]]:
            where = _where(at, by_hash)
            return [self._view(data, abi.optional(abi.address), where, each) for each in wanted]

        found = await self._ask(ask, at) if wanted else []
        return {
            name: owner if isinstance(owner, Address) else ZERO_ADDRESS
            for name, owner in zip(wanted, found, strict=True)
        }

    async def order_facts(
        self, sort: OrderSort, resource: Address, signed: SignedHash, at: Head
    ) -> OrderFacts:
        """Return what is to be known before an order is published, in one round trip mostly."""
        by, order = signed.account, signed.digest
        is_own = _is_signer(signed)

        def ask(by_hash: bool) -> list[Query[Any]]:
            where = _where(at, by_hash)
            return [
                self._view(abi.calldata("viewConsumed(bytes32)", order), abi.word, where),
                self._view(abi.calldata("viewAccount(address)", by), _free, where),
                self._code(by, where),
                *self._owner(sort, resource, where),
            ]

        used, free, is_contract, *told = await self._ask(ask, at)
        used, free, is_contract = plain([used, free, is_contract])
        owner = _owner_told(told) if told else resource
        if is_contract and owner == by:
            is_own = await self.vouches(signed, at)
        return OrderFacts(owner, is_own, used, free)

    async def vouches(self, signed: SignedHash, at: Head) -> bool:
        """Tell whether an account that is a contract takes a signature for its own."""

        def ask(by_hash: bool) -> list[Query[Any]]:
            where = _where(at, by_hash)
            return [self._code(signed.account, where), self._verify(signed, where)]

        is_contract, is_own = await self._ask(ask, at)
        return is_contract is True and is_own is True

    def _owner(self, sort: OrderSort, resource: Address, where: Any) -> list[Query[Any]]:
        """Ask whether what is sold is registered, and whose it is; nothing of a request."""
        registries = {
            OrderSort.APP: self._facts.app_registry,
            OrderSort.DATASET: self._facts.dataset_registry,
            OrderSort.WORKERPOOL: self._facts.workerpool_registry,
        }
        if sort not in registries:
            return []
        known = abi.calldata("isRegistered(address)", resource)
        return [
            self._view(known, abi.word, where, registries[sort]),
            self._view(abi.calldata("owner()"), abi.optional(abi.address), where, resource),
        ]

    async def _each(
        self, names: Iterable[KeyT], signature: str, read: Callable[[Any], T], at: Head
    ) -> dict[KeyT, T]:
        wanted = tuple(names)

        def ask(by_hash: bool) -> list[Query[Any]]:
            where = _where(at, by_hash)
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
        return self._view(data, lambda raw: abi.word(raw) == 1, where)

    def _code(self, account: Address, where: Any) -> Query[bool]:
        """Ask whether there is a contract."""
        return Query("eth_getCode", (str(account), where), lambda raw: len(raw) > 2)

    def _view(
        self, data: str, read: Callable[[Any], T], where: Any, to: Address | None = None
    ) -> Query[T]:
        hub = str(self._facts.hub)
        asked = {"from": hub, "to": hub if to is None else str(to), "data": data}
        form = "" if isinstance(where, str) else "eth_call by block hash"
        return Query("eth_call", (asked, where), read, form=form)


def _is_signer(signed: SignedHash) -> bool:
    try:
        return recover(signed.digest, widen(signed.sign)) == signed.account
    except BadSignature:
        return False


def _owner_told(told: Sequence[Any]) -> Address | None:
    registered, owner = told
    is_there = bool(plain([registered])[0]) and isinstance(owner, Address)
    return owner if is_there else None


def _free(raw: Any) -> NanoRlc:
    return abi.account(raw).stake


def _where(head: Head, by_hash: bool) -> Any:
    return {"blockHash": str(head.block_hash)} if by_hash else hex(head.number)


def _all_told(answers: Sequence[Any]) -> bool:
    return not any(isinstance(answer, NodeRefusal) for answer in answers)
