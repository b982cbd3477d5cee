"""The datasets of a bulk whose keys a task is told: those whose orders let its deal have them.

A bulk is no part of the deal that the chain has checked: so each order is judged here, by its
signature, by what is left of it and by whom it is restricted to, before its key is looked up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from poolhand.domain.content_id import ContentId, UnfitContentId
from poolhand.domain.deal import Dataset, Deal
from poolhand.domain.errors import Malformed, Unavailable
from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.multiaddr import UnreadableLocation, decode
from poolhand.domain.orders.bulk import memberships, unfit_for_bulk
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.groups import Membership
from poolhand.domain.orders.model import DatasetOrder, Signed
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.domain.tee.session import BulkDataset
from poolhand.ports.chain import Hub
from poolhand.ports.market_chain import SignedHash
from poolhand.store.sms.secrets import SecretStore
from poolhand.wire.bulk import read_slice, slice_address

DATASETS_READ_AT_ONCE: Final = 16
"""Datasets that the chain is asked for at the same time."""
MOST_BULK_FILES_KEPT: Final = 64
"""Files that are kept: a session of one task asks for the same ones several times."""
log = structlog.get_logger()


class ContentAway(Unavailable):
    """A file of IPFS cannot be read now."""


class ContentFiles(Protocol):
    """Reads files of IPFS whole, each the one that its address names."""

    async def read(self, content: ContentId) -> bytes:
        """Return a file that is no larger than a bulk may be; raises ContentAway."""


class NoContentFiles:
    """Implements ``ContentFiles`` where the operator named no gateway."""

    async def read(self, content: ContentId) -> bytes:
        """Raise ContentAway."""
        raise ContentAway(f"nothing is asked for {content}: name a gateway (--ipfs-gateways)")


@dataclass(frozen=True, slots=True)
class KnownOrders:
    """What the chain says of the orders of a slice.

    Attributes:
        taken: Signatures that are their owners'.
        used: How much of each is used up.
        members: Memberships that groups have confirmed.
    """

    taken: Collection[SignedHash]
    used: Mapping[OrderHash, int]
    members: Collection[Membership]


class BulkDatasets:
    """Reads bulks.

    Args:
        hub: Tells of datasets, and of orders.
        files: Of IPFS.
        store: Has the keys of datasets.
    """

    def __init__(self, hub: Hub, files: ContentFiles, store: SecretStore) -> None:
        self._hub, self._files, self._store = hub, files, store
        self._kept: OrderedDict[ContentId, bytes] = OrderedDict()

    async def of(self, deal: Deal, cid: str, task: int) -> tuple[BulkDataset, ...]:
        """Return the datasets of a task's slice, those that are unfit by their address alone.

        A bulk that does not read has none.

        Raises:
            ContentAway: It cannot be read now.
            ChainUnreachable: Nobody can tell what fits.
        """
        try:
            orders = await self._slice(cid, task)
        except (Malformed, UnfitContentId) as fault:
            log.warning("bulk_unread", deal=str(deal.deal_id), task=task, cause=str(fault))
            return ()
        datasets = await self._datasets(orders)
        known = await self._known(orders, datasets, deal)
        return tuple([await self._told(each, deal, datasets, known) for each in orders])

    async def _slice(self, cid: str, task: int) -> tuple[Signed[DatasetOrder], ...]:
        bulk = ContentId.parse(cid)
        content = slice_address(bulk, await self._read(bulk), task)
        return read_slice(content, await self._read(content))

    async def _read(self, content: ContentId) -> bytes:
        found = self._kept.get(content)
        if found is None:
            found = self._kept[content] = await self._files.read(content)
            while len(self._kept) > MOST_BULK_FILES_KEPT:
                self._kept.popitem(last=False)
        return found

    async def _datasets(
        self, orders: Sequence[Signed[DatasetOrder]]
    ) -> Mapping[Address, Dataset | None]:
        names = list({each.order.dataset for each in orders})
        found: dict[Address, Dataset | None] = {}
        for at in range(0, len(names), DATASETS_READ_AT_ONCE):
            some = names[at : at + DATASETS_READ_AT_ONCE]
            read = await asyncio.gather(*(self._hub.dataset(each) for each in some))
            found |= dict(zip(some, read, strict=True))
        return found

    async def _known(
        self,
        orders: Sequence[Signed[DatasetOrder]],
        datasets: Mapping[Address, Dataset | None],
        deal: Deal,
    ) -> KnownOrders:
        """Ask once about all orders, not once about each."""
        there = [(each, owned) for each in orders if (owned := datasets[each.order.dataset])]
        claims = [SignedHash(owned.owner, self._name(each), each.signature)
                  for each, owned in there]  # fmt: skip
        asked = {one for each, _ in there for one in memberships(each.order, deal)}
        return KnownOrders(
            await self._hub.taken(claims),
            await self._hub.consumed([self._name(each) for each, _ in there]),
            await self._hub.members(asked),
        )

    def _name(self, signed: Signed[DatasetOrder]) -> OrderHash:
        return order_hash(self._hub.facts.domain, signed.order)

    async def _told(
        self,
        signed: Signed[DatasetOrder],
        deal: Deal,
        datasets: Mapping[Address, Dataset | None],
        known: KnownOrders,
    ) -> BulkDataset:
        address = signed.order.dataset
        dataset = datasets[address]
        why = self._unfit(signed, deal, dataset, known)
        place = SecretPlace(SecretKind.WEB3, address)
        key = None if why else await self._store.value(place)
        if dataset is None or key is None:
            log.info(
                "bulk_dataset_left_out",
                deal=str(deal.deal_id),
                dataset=str(address),
                cause=why or "its key was not pushed",
            )
            return BulkDataset(address)
        try:
            where = decode(dataset.multiaddr)
        except UnreadableLocation:
            return BulkDataset(address)
        return BulkDataset(address, where, "0x" + dataset.checksum.hex(), key.value.decode())

    def _unfit(
        self,
        signed: Signed[DatasetOrder],
        deal: Deal,
        dataset: Dataset | None,
        known: KnownOrders,
    ) -> str | None:
        if dataset is None:
            return "there is no such dataset"
        name = self._name(signed)
        if SignedHash(dataset.owner, name, signed.signature) not in known.taken:
            return "its owner has not signed the order"
        return unfit_for_bulk(signed.order, deal, known.used[name], known.members)
