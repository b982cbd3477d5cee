"""The chain as a market needs it: what happened in which block, and how things stood after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.deal import Account, App, Dataset, Deal, Workerpool
from poolhand.domain.ids import Address, DealId, FixedBytes, OrderHash, TaskId
from poolhand.domain.market.publishing import OrderFacts
from poolhand.domain.market_events import MarketEvent, OrderSort
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, NanoRlc


@dataclass(frozen=True, slots=True)
class SignedHash:
    """A digest, and what is said to be an account's signature of it."""

    account: Address
    digest: FixedBytes
    sign: bytes


@dataclass(frozen=True, slots=True)
class OrderClaim:
    """An order that somebody says is theirs.

    Attributes:
        resource: What it sells; of a request, its requester.
        signed: Its hash, by whoever asks; a plain account's signature is checked here, of a
            contract the hub is asked. Stake and signature are that account's, whoever owns.
    """

    sort: OrderSort
    resource: Address
    signed: SignedHash


class MarketChain(Protocol):
    """Reads at named blocks; all repeatable.

    Every method raises ChainUnreachable when no endpoint answers, or none has the block any more.
    """

    async def head(self) -> Head:
        """Return the newest block."""

    async def blocks(self, numbers: Iterable[BlockNumber]) -> Sequence[Head | None]:
        """Return blocks by number, None where there is none yet."""

    async def events_of(self, heads: Sequence[Head]) -> tuple[MarketEvent, ...]:
        """Return what happened in exactly these blocks, in order."""

    def history(
        self, first: BlockNumber, last: BlockNumber
    ) -> AsyncIterator[tuple[BlockNumber, tuple[MarketEvent, ...]]]:
        """Yield what happened in a range, part by part, each with the last block of the part."""

    async def consumed(self, orders: Iterable[OrderHash], at: Head) -> Mapping[OrderHash, int]:
        """Return how much of each order is used up."""

    async def stakes(self, owners: Iterable[Address], at: Head) -> Mapping[Address, NanoRlc]:
        """Return free stakes (nRLC)."""

    async def owners(self, assets: Iterable[Address], at: Head) -> Mapping[Address, Address]:
        """Return who owns assets that are deployed; those that nobody owns any more are zero's."""

    async def deals(self, names: Iterable[DealId], at: Head) -> Mapping[DealId, Deal]:
        """Return what matches fixed."""

    async def task_deals(self, tasks: Iterable[TaskId], at: Head) -> Mapping[TaskId, DealId]:
        """Return of which deals tasks are; those that are not initialized are left out."""

    async def order_facts(self, claims: Sequence[OrderClaim], at: Head) -> tuple[OrderFacts, ...]:
        """Return what is to be known before orders are published, of each in its place."""

    async def vouches(self, signed: SignedHash, at: Head) -> bool:
        """Tell whether an account that is a contract takes a signature for its own (ERC-1271)."""


class RegistryReader(Protocol):
    """Reads what the registries and the hub say now; a ``Hub`` does.

    Every method raises ChainUnreachable when no endpoint answers.
    """

    async def app(self, address: Address) -> App | None:
        """Return a registered app."""

    async def dataset(self, address: Address) -> Dataset | None:
        """Return a registered dataset."""

    async def workerpool(self, address: Address) -> Workerpool | None:
        """Return a registered workerpool."""

    async def accounts(self, owners: Iterable[Address]) -> Mapping[Address, Account]:
        """Return hub accounts (nRLC)."""
