"""Deals and assets: what ``matchOrders`` fixed, and what the registries say of app and dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds


@dataclass(frozen=True, slots=True)
class Resource:
    """An asset as it was at matching: later owners of the NFT change nothing."""

    address: Address
    owner: Address
    price: NanoRlc


@dataclass(frozen=True, slots=True)
class Deal:
    """One match of orders into ``bot_size`` tasks; immutable.

    ``callback`` is the zero address when no contract waits for the result; ``params`` is the raw
    text of the request order.
    """

    deal_id: DealId
    app: Resource
    dataset: Resource
    workerpool: Resource
    trust: Trust
    category: int
    tag: Tag
    requester: Address
    beneficiary: Address
    callback: Address
    params: str
    start_time: UnixSeconds
    bot_first: int
    bot_size: int
    worker_stake: NanoRlc
    scheduler_percent: int
    sponsor: Address

    @property
    def price(self) -> NanoRlc:
        """What one task costs its payer (nRLC)."""
        return NanoRlc(self.app.price + self.dataset.price + self.workerpool.price)

    @property
    def has_dataset(self) -> bool:
        """Whether a dataset was bought."""
        return not self.dataset.address.is_zero

    @property
    def has_callback(self) -> bool:
        """Whether the result is also delivered to a contract."""
        return not self.callback.is_zero

    def page(self, first: int | None, most: int) -> range:
        """Return absolute indexes of at most so many tasks: from one on; None: from the first."""
        begins = self.bot_first if first is None else max(first, self.bot_first)
        return range(begins, min(begins + most, self.bot_first + self.bot_size))

    def tasks(self) -> Iterator[tuple[int, TaskId]]:
        """Yield absolute index and id of every task."""
        for index in range(self.bot_first, self.bot_first + self.bot_size):
            yield index, task_id(self.deal_id, index)


@dataclass(frozen=True, slots=True)
class App:
    """An application contract: an image reference and its sha256 digest."""

    address: Address
    owner: Address
    name: str
    type: str
    multiaddr: bytes
    checksum: bytes
    mrenclave: bytes


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset contract: where the file is and its sha256."""

    address: Address
    owner: Address
    name: str
    multiaddr: bytes
    checksum: bytes


@dataclass(frozen=True, slots=True)
class Workerpool:
    """A workerpool contract and its policies (percent)."""

    address: Address
    owner: Address
    description: str
    worker_stake_percent: int
    scheduler_percent: int


@dataclass(frozen=True, slots=True)
class Account:
    """A hub account: ``stake`` is free, ``locked`` is at risk or promised (nRLC)."""

    stake: NanoRlc
    locked: NanoRlc
