"""Results: downloaded, checked against the chain, unpacked on demand; or claimed back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poolhand.domain.computed import Computed, NoResult, result_digest
from poolhand.domain.deal import Deal
from poolhand.domain.errors import PeerFault, Raced, Refused
from poolhand.domain.ids import DealId, ResultDigest, TaskId
from poolhand.domain.onchain import ChainTaskStatus, Claim, Initialize, Receipt, TaskView
from poolhand.ports.chain import Hub
from poolhand.requester.archive import digests, extract
from poolhand.requester.purse import Purse


class NotFinished(Raced):
    """The task has no result yet."""


class NoResultComing(Refused):
    """The task failed: there is no result, and the requester was refunded."""


class ResultForged(PeerFault):
    """What was downloaded is not what the workers agreed on."""


class NothingToClaim(Refused):
    """Every task of the deal has ended."""


class NotYetClaimable(Raced):
    """The final deadline has not passed."""


class ResultsSource(Protocol):
    """Where archives come from (``transport.results_client.ResultsReader``)."""

    async def download(self, task_id: TaskId, target: str) -> object:
        """Write a task's archive to ``target``, whole or not at all."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result on disk; ``folder`` is None unless it was unpacked."""

    task_id: TaskId
    digest: ResultDigest
    archive: Path
    folder: Path | None


async def download(
    hub: Hub, source: ResultsSource, task_id: TaskId, folder: Path, *, unpack: bool = False
) -> Result:
    """Fetch a result into ``folder`` as ``<task id>.zip`` and check its digest; repeatable.

    Args:
        hub: Says what the workers agreed on.
        source: Has the archive.
        task_id: Whose result.
        folder: Made when missing.
        unpack: Also unpack into ``<folder>/<task id>``.

    Raises:
        NotFinished, NoResultComing: The chain has no result.
        ResultForged: The digest is not the chain's; the file is removed.
        BadArchive: The archive is damaged or harmful; the file is removed.
        TargetExists: There is such a folder already.
    """
    view = await completed(hub, task_id)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    archive = folder / f"{task_id}.zip"
    draft = folder / f".{task_id}.zip.part"
    try:
        await source.download(task_id, str(draft))
        await asyncio.to_thread(_verify, view, draft)
        await asyncio.to_thread(draft.replace, archive)
    finally:
        await asyncio.to_thread(draft.unlink, missing_ok=True)
    unpacked = folder / str(task_id) if unpack else None
    if unpacked:
        await asyncio.to_thread(extract, archive, unpacked)
    return Result(task_id, view.digest, archive, unpacked)


async def completed(hub: Hub, task_id: TaskId) -> TaskView:
    """Return a task that has a result; raises NotFinished or NoResultComing."""
    view = (await hub.tasks({task_id: ()}))[task_id]
    if view.status is ChainTaskStatus.FAILED:
        raise NoResultComing(f"task {task_id} failed: there is no result, its price was refunded")
    if view.status is not ChainTaskStatus.COMPLETED:
        raise NotFinished(
            f"task {task_id} is {view.status.name} on chain and has no result yet: wait for it "
            "with `poolhand task watch`"
        )
    return view


def _verify(view: TaskView, archive: Path) -> None:
    computed, files = digests(archive)
    if view.digest not in _possible(computed, files):
        raise ResultForged(
            f"the archive of task {view.task_id} does not have the digest {view.digest} that the "
            "workers agreed on: it was not kept; tell the workerpool's owner"
        )


def _possible(computed: Computed, files: dict[str, bytes]) -> list[ResultDigest]:
    """Return what an archive may stand for: its output, or its callback data."""
    found = []
    for with_callback in (False, True):
        try:
            found.append(result_digest(computed, files, with_callback=with_callback))
        except NoResult:
            continue
    return found


async def claim_task(purse: Purse, task_id: TaskId) -> Receipt:
    """Get the price of an unfinished task back once its final deadline has passed.

    Raises:
        NotYetClaimable: The deadline has not passed.
        NothingToClaim: The task has ended, or is not on chain.
    """
    async with purse.open() as hand:
        view = (await hand.hub.tasks({task_id: ()}))[task_id]
        if view.status is ChainTaskStatus.UNSET:
            raise NothingToClaim(
                f"task {task_id} was never put on chain: claim its deal with `poolhand deal claim`"
            )
        _demand_due(view)
        return await hand.sender.send(f"claim:{task_id}", Claim((task_id,)))


async def claim_deal(purse: Purse, deal: Deal) -> tuple[Receipt, ...]:
    """Get the price of every unfinished task of a deal back, those never put on chain too.

    Raises:
        NotYetClaimable: The deadline has not passed.
        NothingToClaim: Every task has ended.
    """
    receipts = []
    async with purse.open() as hand:
        unset, active = await _claimable(hand.hub, deal)
        if unset:
            name = f"initialize:{deal.deal_id}:{unset[0][1]}"
            receipts.append(await hand.sender.send(name, Initialize(unset)))
        name = f"claim:{deal.deal_id}:{active[0]}"
        receipts.append(await hand.sender.send(name, Claim(active)))
    return tuple(receipts)


async def _claimable(
    hub: Hub, deal: Deal
) -> tuple[tuple[tuple[DealId, int], ...], tuple[TaskId, ...]]:
    """Return the tasks not on chain (deal and index), and all that are unfinished."""
    category = (await hub.categories())[deal.category]
    left = category.final_deadline(deal.start_time) - (await hub.head()).timestamp
    if left > 0:
        raise NotYetClaimable(_too_early(f"deal {deal.deal_id}", left))
    views = await hub.tasks({task_id: () for _, task_id in deal.tasks()})
    unfinished = [(index, task_id) for index, task_id in deal.tasks() if _is_open(views[task_id])]
    if not unfinished:
        raise NothingToClaim(f"every task of deal {deal.deal_id} has ended: nothing is owed")
    unset = [
        (deal.deal_id, index)
        for index, task_id in unfinished
        if views[task_id].status is ChainTaskStatus.UNSET
    ]
    return tuple(unset), tuple(task_id for _, task_id in unfinished)


def _is_open(view: TaskView) -> bool:
    return view.status not in (ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED)


def _demand_due(view: TaskView) -> None:
    if not _is_open(view):
        raise NothingToClaim(f"task {view.task_id} has ended {view.status.name}: nothing is owed")
    if view.block_time < view.final_deadline:
        left = view.final_deadline - view.block_time
        raise NotYetClaimable(_too_early(f"task {view.task_id}", left))


def _too_early(what: str, seconds: int) -> str:
    return f"{what} may still succeed: claim it in {seconds} s, after its final deadline"
