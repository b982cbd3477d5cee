"""What comes to a task's folder: files that its deal names, whole, bounded and checked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog

from poolhand.domain.content_id import ContentId
from poolhand.domain.deal import Dataset
from poolhand.domain.errors import EndsProgram, PoolhandError, Refused
from poolhand.domain.ids import Address
from poolhand.domain.multiaddr import decode
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.tee.session import file_name
from poolhand.ports.files import Fetcher
from poolhand.transport.errors import DownloadTooLarge, FetcherLost, FileUnwritten
from poolhand.wire.bulk import MOST_BULK_FILE, read_slice, slice_address
from poolhand.worker.dataset_cache import DatasetCache
from poolhand.worker.task_folders import Folder
from poolhand.worker.task_rules import Rules

ReadsDataset: TypeAlias = Callable[[Address], Awaitable[Dataset | None]]
log = structlog.get_logger()


class TooMuchInput(Refused):
    """Dataset and input files of a task come to more than the operator allows."""


class WrongChecksum(Refused):
    """A file is not the one that its contract names."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__(
            f"{uri} has sha256 {found[:16]}…, the dataset contract says {expected[:16]}…: its "
            "owner must publish the original file or deploy a new dataset"
        )


@dataclass(slots=True)
class TaskData:
    """What comes for one task; ``left`` is what may still come (bytes)."""

    fetcher: Fetcher
    rules: Rules
    folder: Folder
    left: int

    async def bring(self, dataset: Dataset, kept: DatasetCache) -> None:
        """Bring a dataset's file, checked, under its name.

        Raises:
            WrongChecksum: What is at its address is another file.
            TooMuchInput, ForbiddenUri, DownloadTooLarge, DownloadFailed: See ``fetch``.
            UnreadableLocation: The contract says of no file where it is.
        """
        uri, name = decode(dataset.multiaddr), file_name(dataset.address)
        target, expected = self.folder.input / name, dataset.checksum.hex()
        is_checked = any(dataset.checksum)
        if is_checked and await self.take(kept, expected, target):
            return
        found = await self.fetch(uri, name)
        if is_checked and found != expected:
            target.unlink()
            raise WrongChecksum(uri, expected, found)
        if is_checked:
            await kept.keep(expected, target)

    async def read(self, content: ContentId) -> bytes:
        """Return a small file of IPFS, of which nothing stays; what comes is not checked.

        Raises:
            DownloadTooLarge, DownloadFailed, FileUnwritten: See ``Fetcher.fetch``.
        """
        target, timeout = self.folder.input / ".bulk", self.rules.download_timeout
        uri = f"/ipfs/{content}"
        await self.fetcher.fetch(uri, str(target), MOST_BULK_FILE, timeout)
        try:
            return await asyncio.to_thread(target.read_bytes)
        finally:
            await asyncio.to_thread(target.unlink)

    async def take(self, kept: DatasetCache, checksum: str, target: Path) -> bool:
        """Take a file that an earlier task has had; tells whether it was kept."""
        size = await kept.take(checksum, target, min(self.rules.input_bytes, self.left))
        self.left -= size or 0
        return size is not None

    async def fetch(self, uri: str, name: str) -> str:
        """Download a file and return its sha256 (hexadecimal).

        Raises:
            TooMuchInput: With it the task would have more than the operator allows.
            ForbiddenUri, DownloadTooLarge, DownloadFailed: See ``Fetcher.fetch``.
        """
        rules, target = self.rules, self.folder.input / name
        limit = min(rules.input_bytes, self.left)
        try:
            found = await self.fetcher.fetch(uri, str(target), limit, rules.download_timeout)
        except DownloadTooLarge as fault:
            if limit == rules.input_bytes:
                raise
            raise TooMuchInput(
                f"the dataset and input files come to more than {rules.all_input_bytes} bytes: use "
                "less, or let the worker's operator raise the limit (POOLHAND_TASK_ALL_INPUT)"
            ) from fault
        self.left -= (await asyncio.to_thread(target.stat)).st_size
        return found


async def bring_bulk(
    data: TaskData, kept: DatasetCache, dataset_of: ReadsDataset, offer: Offer, cid: str
) -> None:
    """Bring the datasets of a confidential task's slice, as far as they can be had.

    Whether their orders let the deal have them is found out where their keys are, so one that
    cannot be had is no reason to give up here: what opens them says which are missing.

    Args:
        data: Where they go.
        kept: Datasets that earlier tasks have had.
        dataset_of: Reads one on chain.
        offer: For whom.
        cid: Where the bulk is.

    Raises:
        UnfitContentId, Malformed: The bulk does not read, or has nothing for the task.
        DownloadFailed, DownloadTooLarge, FileUnwritten, FetcherLost: See ``Fetcher.fetch``.
    """
    bulk = ContentId.parse(cid)
    content = slice_address(bulk, await data.read(bulk), offer.index)
    orders = read_slice(content, await data.read(content))
    for address in dict.fromkeys(each.order.dataset for each in orders):
        try:
            dataset = await dataset_of(address)
            if dataset is not None:
                await data.bring(dataset, kept)
        except (EndsProgram, FileUnwritten, FetcherLost):
            raise
        except PoolhandError as fault:
            log.warning(
                "bulk_dataset_not_brought",
                task_id=str(offer.task_id),
                dataset=str(address),
                cause=str(fault),
            )
