"""Taking archives in, giving them out, and clearing away what lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

import structlog

from poolhand.domain.computed import COMPUTED_FILE, Computed, NoResult, result_digest
from poolhand.domain.deal import Deal
from poolhand.domain.encrypted_result import is_encrypted_result, told_digest
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.onchain import ChainTaskStatus, TaskView
from poolhand.domain.params import wants_encryption
from poolhand.domain.result_link import link_text
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import chain_outage
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock
from poolhand.ports.storage import Archive, Draft, ResultStorage
from poolhand.results import rules
from poolhand.results.errors import (
    ArchiveTooLarge,
    DigestDiffers,
    NoResultHere,
    NotYetOnChain,
    UnsafeArchive,
)
from poolhand.results.input_shelf import InputShelf
from poolhand.results.inspect import ArchiveLimits, Contents, inspect
from poolhand.results.ranges import Part
from poolhand.results.room import Quota, ResultsRoom
from poolhand.results.rules import ResultClaim

INSPECTIONS: Final = 2
"""Archives looked into at a time: it takes a processor each."""
TASKS_ASKED_AT_ONCE: Final = 100
"""Tasks asked of the chain at a time."""
_Upload: TypeAlias = tuple[TaskId, Address, bytes]
"""Tells an archive on its way in from others: of which task, from whom, its sha256."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IntakeTerms:
    """What the operator decides; see ``settings.results``."""

    limits: ArchiveLimits
    max_archive: int
    max_provisional: int
    workerpool: Address | None = None
    keep: Seconds | None = None
    quota: Quota = Quota(8 * 1024**3)
    free: Callable[[], int] | None = None


class Intake:
    """Judges uploads by the chain and keeps what passes."""

    def __init__(
        self,
        hub: Hub,
        storage: ResultStorage,
        clock: Clock,
        terms: IntakeTerms,
        boundary: FaultBoundary | None = None,
        inputs: InputShelf | None = None,
    ) -> None:
        self._inputs = inputs
        self._boundary = boundary or FaultBoundary()
        self._hub, self._storage, self._clock, self._terms = hub, storage, clock, terms
        self._turns = asyncio.Semaphore(INSPECTIONS)
        self._shelving: WeakValueDictionary[TaskId, asyncio.Lock] = WeakValueDictionary()
        self._keeping: dict[_Upload, asyncio.Event] = {}
        self._room = ResultsRoom(terms.quota)

    async def count(self) -> None:
        """Count what is here already; before anything is taken."""
        for task_id in await self._storage.tasks():
            for archive in await self._storage.of_task(task_id):
                self._room.keep(archive, waits=True)
        if self._terms.free is not None:
            self._room.leave_some(await asyncio.to_thread(self._terms.free))

    # ------------------------------------------------------------------------------------ in

    async def upload(self, claim: ResultClaim, body: AsyncIterator[bytes]) -> str:
        """Take an archive and return the link to put on chain (JSON text).

        The body is not read before the claim holds, nor when the result is here already.

        Raises:
            UploadRefused: A leaf of ``results.errors`` says why.
            NotYetOnChain, ChainUnreachable, StorageFull, StorageDown: Trying later may help.
        """
        deal = await self._hub.deal(claim.deal_id)
        if deal is None:
            raise NotYetOnChain(f"deal {claim.deal_id} is not on chain, as this service sees it")
        now, chain_id = self._clock.now(), self._hub.facts.chain_id
        rules.check_claim(claim, deal, chain_id, self._terms.workerpool, now)
        return link_text((await self._kept(claim, deal, body)).location, deal.callback)

    async def _kept(self, claim: ResultClaim, deal: Deal, body: AsyncIterator[bytes]) -> Archive:
        """Return the archive that is kept: one that is here already, or what comes now.

        Who asks again while the same archive is on its way to a storage waits for that.
        """
        while under_way := self._keeping.get(_upload_of(claim)):
            await under_way.wait()
        known = await self._storage.of_task(claim.task_id)
        for each in known:
            if (each.worker, each.sha256) == (claim.worker, claim.archive):
                return each
        view, final_deadline = await self._view(claim, deal)
        due = rules.due_digest(view, claim.worker, trust=deal.trust, final_deadline=final_deadline)
        won = next((each for each in known if rules.is_result(each, view)), None)
        return won or await self._take(claim, deal, body, due, final_deadline)

    async def _take(
        self,
        claim: ResultClaim,
        deal: Deal,
        body: AsyncIterator[bytes],
        due: ResultDigest | None,
        final_deadline: UnixSeconds,
    ) -> Archive:
        """Receive an archive, look into it, and keep it."""
        await self._make_room(claim.worker)
        async with self._storage.receiving() as draft:
            with self._room.arriving(claim.worker) as grow:
                size = await self._receive(claim, body, draft, grow)
                found = await self._inspect(draft)
                digest = digest_of(found, deal)
                rules.check_digest(digest, due)
                archive = Archive(
                    task_id=claim.task_id,
                    worker=claim.worker,
                    digest=digest,
                    sha256=claim.archive,
                    size=size,
                    files=found.files,
                    stored_at=self._clock.now(),
                    final_deadline=final_deadline,
                )
                archive = await self._keep(archive, draft, _upload_of(claim))
        self._room.keep(archive, waits=due is None)
        _log.info("result_stored", task_id=str(claim.task_id), worker=str(claim.worker), size=size)
        return archive

    async def _inspect(self, draft: Draft) -> Contents:
        """Look into an archive; a few at a time."""
        async with self._turns:
            with draft.reading() as file:
                return await asyncio.to_thread(inspect, file, self._terms.limits)

    async def _view(self, claim: ResultClaim, deal: Deal) -> tuple[TaskView, UnixSeconds]:
        """Return the task with the worker's contribution, and its final deadline."""
        view = (await self._hub.tasks({claim.task_id: (claim.worker,)}))[claim.task_id]
        if view.status is not ChainTaskStatus.UNSET:
            return view, view.final_deadline
        category = (await self._hub.categories())[deal.category]
        return view, category.final_deadline(deal.start_time)

    async def _make_room(self, worker: Address) -> None:
        """Ask the chain about what waits of a worker whose room gets short."""
        if not self._room.is_short(worker, self._terms.max_archive):
            return
        for some in _batches(self._room.waiting_of(worker)):
            for view in await self._views_of(some):
                await self._clear(view)

    async def _receive(
        self,
        claim: ResultClaim,
        body: AsyncIterator[bytes],
        draft: Draft,
        grow: Callable[[int], None],
    ) -> int:
        """Write the body down; return its bytes."""
        checksum, size = hashlib.sha256(), 0
        async for piece in body:
            size += len(piece)
            if size > self._terms.max_archive:
                raise ArchiveTooLarge(f"over {self._terms.max_archive} bytes")
            grow(len(piece))
            await draft.write(piece)
            checksum.update(piece)
        if checksum.digest() != claim.archive:
            raise DigestDiffers("the body is not the archive that the worker signed")
        return size

    async def _keep(self, archive: Archive, draft: Draft, upload: _Upload) -> Archive:
        """Keep an archive unless too many of its task wait; one at a time, to count them right."""
        kept = self._keeping.setdefault(upload, asyncio.Event())
        try:
            async with self._shelving.setdefault(archive.task_id, asyncio.Lock()):
                known = await self._storage.of_task(archive.task_id)
                others = [each for each in known if not _same(each, archive)]
                rules.check_room(archive.worker, others, self._terms.max_provisional)
                return await draft.keep(archive)
        finally:
            self._keeping.pop(upload, None)
            kept.set()

    # ----------------------------------------------------------------------------------- out

    async def result(self, task_id: TaskId) -> Archive:
        """Return the archive that is a task's result.

        Raises:
            NoResultHere, ResultPending, TaskFailed: There is none, yet or for good.
        """
        archives = await self._storage.of_task(task_id)
        view = (await self._hub.tasks({task_id: ()}))[task_id]
        return rules.choose(view, archives)

    async def result_at(self, location: str) -> Archive:
        """Return the archive at an address of the storage's own, if it is a task's result.

        Raises:
            NoResultHere, ResultPending, TaskFailed: There is none, yet or for good.
        """
        missing = NoResultHere("no result of this address is kept here")
        for each in await self._storage.at(location):
            view = (await self._hub.tasks({each.task_id: ()}))[each.task_id]
            try:
                return rules.choose(view, (each,))
            except NoResultHere as fault:
                missing = fault
        raise missing

    def stream(self, archive: Archive, part: Part) -> AsyncIterator[bytes]:
        """Yield the bytes of a part of an archive."""
        return self._storage.stream(archive, part.first, part.count)

    # ---------------------------------------------------------------------------------- tidy

    async def tidy_up(self) -> int:
        """Remove every archive that lost, failed or was kept long enough; return how many."""
        removed = 0
        if self._inputs is not None:
            await self._inputs.tidy_up(self._clock.now())
        tasks = await self._storage.tasks()
        for some in _batches(tasks):
            for view in await self._views_of(some):
                with self._boundary.around("tidying", task_id=str(view.task_id)):
                    removed += await self._clear(view)
        return removed

    async def _views_of(self, some: tuple[TaskId, ...]) -> tuple[TaskView, ...]:
        """Look at tasks in one batch; one that cannot be looked at is left out."""
        try:
            return tuple((await self._hub.tasks(dict.fromkeys(some, ()))).found.values())
        except ChainUnreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is the program's
            if len(some) == 1:
                self._boundary.take(fault, "tidying", task_id=str(some[0]))
                return ()
            return tuple([view for each in some for view in await self._views_of((each,))])

    async def _clear(self, view: TaskView) -> int:
        """Remove what of a task is waste, count anew what stays; return how many went."""
        now, keep, removed = self._clock.now(), self._terms.keep, 0
        for archive in await self._storage.of_task(view.task_id):
            if rules.is_waste(archive, view, now, keep):
                await self._storage.remove(archive)
                self._room.remove(archive)
                removed += 1
                _log.info("result_removed", task_id=str(view.task_id), worker=str(archive.worker))
            else:
                self._room.keep(archive, waits=not rules.is_result(archive, view))
        return removed

    async def keep_tidy(self, pause: Seconds) -> None:
        """Tidy up now and again until cancelled; what keeps it from that ends that one round."""
        outage = chain_outage("the service")
        while True:
            try:
                await self.tidy_up()
            except ChainUnreachable as fault:
                outage.tell(fault)
            except Exception as fault:  # noqa: BLE001 - the boundary lets through what is the program's
                self._boundary.take(fault, "tidying")
            else:
                outage.over()
            await self._clock.sleep(pause)


def digest_of(found: Contents, deal: Deal) -> ResultDigest:
    """Return what the contents of an archive come to; an encrypted one's, what it says itself.

    Raises:
        UnsafeArchive: ``computed.json`` is missing or names no result.
    """
    if found.computed is None:
        raise UnsafeArchive(f"the archive has no {COMPUTED_FILE}")
    try:
        if wants_encryption(deal.params):
            if not is_encrypted_result([each.name for each in found.files]):
                raise UnsafeArchive("the deal asks for an encrypted result, and this is none")
            return told_digest(found.computed)
        computed = Computed.parse(found.computed)
        return result_digest(computed, found.digests, with_callback=deal.has_callback)
    except NoResult as fault:
        raise UnsafeArchive(str(fault)) from fault


def _upload_of(claim: ResultClaim) -> _Upload:
    return claim.task_id, claim.worker, claim.archive


def _same(one: Archive, other: Archive) -> bool:
    return (one.worker, one.digest) == (other.worker, other.digest)


def _batches(tasks: tuple[TaskId, ...]) -> Iterator[tuple[TaskId, ...]]:
    for start in range(0, len(tasks), TASKS_ASKED_AT_ONCE):
        yield tasks[start : start + TASKS_ASKED_AT_ONCE]
