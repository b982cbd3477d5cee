"""What the worker's stages work with, and where each task's files lie."""

from __future__ import annotations

import shutil
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import structlog

from poolhand.containers.disks import DiskKind
from poolhand.containers.folders import remove
from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.gas_reserve import reveals_owed
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus, TaskView
from poolhand.domain.replicate.machine import Offer, Replicate
from poolhand.domain.units import Seconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.files import Fetcher, ResultsClient
from poolhand.ports.runtime import ContainerRuntime, Limits
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.brief import Brief, DealMissing, read_brief
from poolhand.worker.horizon import Horizon

MOST_LAG: Final = 10
"""Heads after which a node no longer counts as late."""
MOST_BRIEFS: Final = 64
"""Deals whose briefs are kept, those asked for last; one that is asked for again is read again."""

T = TypeVar("T")
log = structlog.get_logger()
RETRY_SECONDS = 2.0
"""Pause between two tries to reach a chain that does not answer."""


def _no_engine() -> OutageLog:
    return OutageLog(
        "engine_unreachable",
        "engine_reached",
        acts="operator of the worker",
        next_step="start the container engine; the worker goes on by itself",
    )


def _no_room() -> OutageLog:
    return OutageLog(
        "disk_full",
        "disk_has_room",
        acts="operator of the worker",
        next_step="free some space; the worker goes on by itself",
    )


def labels_of(worker: Address, base: Path) -> Mapping[str, str]:
    """Return labels that the containers of one worker have, and no others on the same engine.

    The folder tells apart what wallets do not: the wallets of two devnets are the same.
    """
    return {"poolhand.worker": f"{worker}@{base}"}


def free_bytes(place: Path) -> int:
    """Return what may still be written on the disk of a place (bytes)."""
    return shutil.disk_usage(place).free


def _remove(folder: Path) -> None:
    try:
        remove(folder)
    except OSError as fault:
        log.warning("task_folder_left", folder=str(folder), cause=str(fault))


@dataclass(frozen=True, slots=True)
class Folder:
    """Files of one task: ``input`` is mounted as /iexec_in, ``output`` as /iexec_out.

    ``work`` holds a copy of the folder in which the app's image starts.
    """

    root: Path

    @property
    def input(self) -> Path:
        """Dataset and input files."""
        return self.root / "input"

    @property
    def output(self) -> Path:
        """What the app writes."""
        return self.root / "output" / "iexec_out"

    @property
    def work(self) -> Path:
        """What the app writes beside itself; nobody reads it."""
        return self.root / "work" / "folder"

    @property
    def archive(self) -> Path:
        """The result archive; its presence tells that the computation ended well."""
        return self.root / "output" / "iexec_out.zip"

    def create(self) -> None:
        """Make the folders; those that exist are left as they are.

        Containers read and write the inner ones under other uids; the outer one keeps the rest of
        this machine from what they leave there.
        """
        for each in (self.input, self.output, self.work):
            each.mkdir(parents=True, exist_ok=True)
        self.input.chmod(0o755)
        self.root.chmod(0o700)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator allows a task.

    Attributes:
        limits: Of one container.
        allow_network: Whether apps may use the network.
        input_bytes: Largest dataset or input file (bytes).
        all_input_bytes: Dataset and input files of one task together (bytes).
        download_timeout: For one file.
        least_pull_timeout, pull_timeout: For one image; between them the category decides.
        log_output: Whether what apps print goes into the worker's own log, too.
        claim_grace: How long after the final deadline the pool may claim a task that holds our
            stake before we do; None: never claim.
    """

    limits: Limits
    allow_network: bool = False
    input_bytes: int = 2 * 1024**3
    all_input_bytes: int = 4 * 1024**3
    download_timeout: Seconds = Seconds(600)
    least_pull_timeout: Seconds = Seconds(300)
    pull_timeout: Seconds = Seconds(1800)
    log_output: bool = False
    claim_grace: Seconds | None = Seconds(300)


@dataclass(slots=True)
class Toolbox:
    """Ports and settings shared by the stages of one worker.

    ``replicates`` is everything that is held, kept by the shell; ``on_logs`` is told what an app
    printed; ``chain_outage`` and ``engine_outage`` are told by whoever finds them out of reach,
    ``disk_full`` by whoever finds no room; ``free`` reads that room (bytes). ``disk`` is what keeps
    an app within its limit.
    """

    worker: Address
    name: str
    pool: Address
    hub: Hub
    watcher: Watcher
    sender: TransactionSender
    runtime: ContainerRuntime
    fetcher: Fetcher
    results: Callable[[], Awaitable[ResultsClient]]
    clock: Clock
    rules: Rules
    base: Path
    on_logs: Callable[[TaskId, bytes, bytes], None] = lambda _task, _out, _err: None
    replicates: dict[TaskId, Replicate] = field(default_factory=dict)
    horizon: Horizon = field(default_factory=Horizon)
    chain_outage: OutageLog = field(default_factory=lambda: chain_outage("the worker"))
    engine_outage: OutageLog = field(default_factory=_no_engine)
    disk_full: OutageLog = field(default_factory=_no_room)
    disk: DiskKind = DiskKind.WATCH
    free: Callable[[Path], int] = free_bytes
    boundary: FaultBoundary = field(default_factory=FaultBoundary)
    places: AllowedPlaces = AllowedPlaces()
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    _briefs: OrderedDict[DealId, Brief] = field(default_factory=OrderedDict)

    def owed(self) -> int:
        """Count the reveals that are still to be paid for."""
        return reveals_owed(self.replicates.values())

    def folder(self, task_id: TaskId) -> Folder:
        """Return the folder of a task; nothing is created."""
        return Folder(self.base / str(task_id))

    def container(self, task_id: TaskId) -> str:
        """Name the task's container, the same after every restart."""
        return f"{self.name}-{task_id}"

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of this worker's containers, see ``labels_of``."""
        return labels_of(self.worker, self.base)

    def pull_timeout(self, brief: Brief) -> Seconds:
        """Return how long the image of a deal may take to arrive."""
        return brief.category.pull_timeout(self.rules.least_pull_timeout, self.rules.pull_timeout)

    def discard_all_but(self, held: Collection[TaskId]) -> None:
        """Remove the folders, and the disks in them, of tasks that are not held."""
        kept = {str(task_id) for task_id in held}
        for folder in self.base.iterdir() if self.base.is_dir() else ():
            if folder.name not in kept:
                log.info("task_folder_removed", folder=folder.name)
                _remove(folder)

    def discard(self, task_id: TaskId) -> None:
        """Remove a task's folder, whatever an app has built there; none is fine."""
        _remove(self.folder(task_id).root)

    async def brief(self, offer: Offer) -> Brief:
        """Return a deal's brief, mostly read once; waits while the chain does not answer.

        A node may lag behind the scheduler's: a deal that is missing is looked for in a few more
        heads.

        Raises:
            BadOffer: The chain knows no such deal, or not what it names.
        """
        known = self._briefs.pop(offer.deal_id, None) or await self._read(offer)
        self._briefs[offer.deal_id] = known
        if len(self._briefs) > MOST_BRIEFS:
            self._briefs.popitem(last=False)
        return known

    async def _read(self, offer: Offer) -> Brief:
        seen = 0
        async with aclosing(self.watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                try:
                    return await self.until_answered(lambda: read_brief(self.hub, offer))
                except DealMissing:
                    seen += 1
                    if seen > MOST_LAG:
                        raise
        raise BrokenPrecondition("the watcher of heads has ended")

    async def view(self, task_id: TaskId) -> TaskView:
        """Return the chain's view of a task with this worker's contribution."""
        asked = {task_id: (self.worker,)}
        views = await self.until_answered(lambda: self.hub.tasks(asked))
        return views[task_id]

    async def view_when(self, task_id: TaskId, met: Callable[[TaskView], bool]) -> TaskView:
        """Return a view that meets a condition, or the last one after ten more heads.

        A node may lag behind the one from which the scheduler heard the news.
        """
        view = await self.view(task_id)
        if met(view):
            return view
        seen = 0
        async with aclosing(self.watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                view = await self.view(task_id)
                seen += 1
                if met(view) or seen >= MOST_LAG:
                    break
        return view

    async def view_begun(self, replicate: Replicate, cause: str) -> TaskView:
        """Return a view of a task that is initialized, or the first one past its deadline.

        A re-organisation that takes the initialization back is outlasted.

        Args:
            replicate: Of the task.
            cause: Why it matters that the task is not; for the log.
        """
        task_id = replicate.offer.task_id
        told = False
        async with aclosing(self.watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                view = await self.view(task_id)
                late = view.block_time >= replicate.deadline
                if view.status is not ChainTaskStatus.UNSET or late:
                    break
                if not told:
                    log.info("initialization_awaited", task_id=str(task_id), cause=cause)
                    told = True
        return view

    async def until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the chain until it answers."""
        return await ChainRetry(self.clock, self.chain_outage, RETRY_SECONDS).ask(ask)
