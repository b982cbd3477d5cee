"""*Simulated* peers without a socket: a results service and a place to download from, in memory.

They keep the promises of ``ports.files`` that callers build on and judge by the same chain as the
real ones; what they leave out is said at each. For tests and simulations only.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from poolhand.domain.errors import PoolhandError
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.result_key import ResultKey
from poolhand.domain.result_link import link_text, location_at
from poolhand.domain.trust import Trust
from poolhand.domain.units import Seconds
from poolhand.ports.chain import Hub
from poolhand.ports.files import UploadRefused
from poolhand.transport.errors import DownloadFailed, DownloadTooLarge
from poolhand.transport.results_client import ResultsDown

log = structlog.get_logger()


class MemoryResults:
    """A simulated results service: archives in a dictionary, neither unpacked nor compared.

    Attributes:
        faults: Raised for a worker's uploads, by worker; take it out to heal.
        archives: Stored bytes by task and worker.
        keys: That beneficiaries have handed in.
        uploads: How often each worker uploaded each task, repeats included.
    """

    def __init__(self, hub: Hub, url: str = "http://results.test") -> None:
        self._hub, self._url = hub, url
        self.faults: dict[Address, PoolhandError] = {}
        self.archives: dict[tuple[TaskId, Address], bytes] = {}
        self.keys: dict[Address, ResultKey] = {}
        self.uploads: Counter[tuple[TaskId, Address]] = Counter()
        log.warning("simulated_results_service_made", checks="chain status only")

    def client(self, worker: Address) -> MemoryResultsClient:
        """Return a worker's view; the signature of a real upload is what this stands for."""
        return MemoryResultsClient(self, worker)

    async def store(self, worker: Address, offer: Offer, archive: str) -> str:
        """Keep an archive and return its link; see ``ports.files.ResultsClient.upload``."""
        if worker in self.faults:
            raise self.faults[worker]
        await self._judge(worker, offer)
        self.uploads[offer.task_id, worker] += 1
        content = await asyncio.to_thread(Path(archive).read_bytes)
        self.archives[offer.task_id, worker] = content
        deal = await self._hub.deal(offer.deal_id)
        callback = deal.callback if deal else ZERO_ADDRESS
        return link_text(location_at(self._url, offer.task_id), callback)

    async def location(self, task_id: TaskId) -> str | None:
        """Tell where a proved archive lies; see ``ports.files.ResultsShelf``."""
        owners = [worker for name, worker in self.archives if name == task_id]
        view = (await self._hub.tasks({task_id: owners}))[task_id]
        proved = ContributionStatus.PROVED
        held = any(view.contributions[worker].status is proved for worker in owners)
        return location_at(self._url, task_id) if held else None

    async def _judge(self, worker: Address, offer: Offer) -> None:
        """Refuse who has not proved a result, as the real service does."""
        view = (await self._hub.tasks({offer.task_id: (worker,)}))[offer.task_id]
        if view.status is ChainTaskStatus.REVEALING:
            if view.contributions[worker].status is not ContributionStatus.PROVED:
                raise ResultsDown("the worker has not revealed yet, as this service sees the chain")
            return
        deal = await self._hub.deal(offer.deal_id)
        if deal is None or view.status > ChainTaskStatus.ACTIVE:
            raise UploadRefused(f"the task is {view.status.name}: nothing is taken for it now")
        if deal.trust > Trust(1):
            raise ResultsDown("the task has no consensus yet, as this service sees the chain")


@dataclass(frozen=True, slots=True)
class MemoryResultsClient:
    """Implements ``ports.files.ResultsClient`` for one worker of a ``MemoryResults``."""

    service: MemoryResults
    worker: Address

    async def upload(self, offer: Offer, archive: str) -> str:
        """Store a result archive and return the link to put on chain."""
        return await self.service.store(self.worker, offer, archive)

    async def key_of(self, owner: Address) -> ResultKey | None:
        """Return the key that results for ``owner`` are encrypted to; None where there is none."""
        return self.service.keys.get(owner)


@dataclass(slots=True)
class TableFetcher:
    """Implements ``ports.files.Fetcher`` with a table of URIs; which are allowed is not judged.

    Attributes:
        files: Content by URI; any other URI is not found.
        faults: Raised when a URI is fetched, by URI.
        fetched: How often each URI was asked for.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    faults: dict[str, PoolhandError] = field(default_factory=dict)
    fetched: Counter[str] = field(default_factory=Counter)

    async def fetch(self, uri: str, target: str, limit: int, timeout: Seconds) -> str:  # noqa: ARG002
        """Write a file to ``target`` and return its sha256; see ``ports.files.Fetcher``."""
        self.fetched[uri] += 1
        if uri in self.faults:
            raise self.faults[uri]
        content = self.files.get(uri)
        if content is None:
            raise DownloadFailed(uri, "not in the simulated table")
        if len(content) > limit:
            raise DownloadTooLarge(uri, limit)
        await asyncio.to_thread(Path(target).write_bytes, content)
        return hashlib.sha256(content).hexdigest()
