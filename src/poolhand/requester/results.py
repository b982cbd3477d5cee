"""Results: downloaded, checked against the chain, unpacked on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poolhand.domain.computed import Computed, NoResult, result_digest
from poolhand.domain.errors import PeerFault, Raced, Refused
from poolhand.domain.ids import ResultDigest, TaskId
from poolhand.domain.onchain import ChainTaskStatus, TaskView
from poolhand.ports.chain import Hub
from poolhand.requester.archive import TargetExists, digests, encrypted_digest, extract


class NotFinished(Raced):
    """The task has no result yet."""


class NoResultComing(Refused):
    """The task failed: there is no result, and the requester was refunded."""


class ResultForged(PeerFault):
    """What was downloaded is not what the workers agreed on."""


class ResultsSource(Protocol):
    """Where archives come from (``transport.results_client.ArchiveReader``)."""

    async def download(self, location: str, target: str) -> object:
        """Write the archive at a location to ``target``, whole or not at all."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result on disk; ``folder`` is None unless it was unpacked, ``encrypted`` archives never."""

    task_id: TaskId
    digest: ResultDigest
    archive: Path
    folder: Path | None
    encrypted: bool = False


async def download(
    view: TaskView, source: ResultsSource, location: str, folder: Path, *, unpack: bool = False
) -> Result:
    """Fetch a result into ``folder`` as ``<task id>.zip`` and check its digest; repeatable.

    Args:
        view: The task, completed: what the workers agreed on.
        source: Has the archive.
        location: Where it lies there.
        folder: Made when missing.
        unpack: Also unpack into ``<folder>/<task id>``.

    Raises:
        ResultForged: The digest is not the chain's; the file is removed.
        BadArchive: The archive is damaged or harmful; the file is removed.
        TargetExists: There is such a folder already.
    """
    task_id = view.task_id
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    archive = folder / f"{task_id}.zip"
    draft = folder / f".{task_id}.zip.part"
    try:
        await source.download(location, str(draft))
        encrypted = await asyncio.to_thread(_verify, view, draft)
        await asyncio.to_thread(draft.replace, archive)
    finally:
        await asyncio.to_thread(draft.unlink, missing_ok=True)
    unpacked = folder / str(task_id) if unpack and not encrypted else None
    if unpacked:
        await asyncio.to_thread(extract, archive, unpacked)
    return Result(task_id, view.digest, archive, unpacked, encrypted)


def open_encrypted(archive: Path, target: Path, private_pem: bytes) -> ResultDigest | None:
    """Decrypt an encrypted result, and check that it is what its archive says; blocks.

    Returns:
        The digest, which a download has compared to the chain's; None where the archive tells
        none, as those of iExec's enclaves.

    Raises:
        UnfitResultKey, ResultNotOpened: The key does not open it.
        ResultForged: It holds something else; nothing is kept.
        TargetExists: The target is there already.
    """
    if target.exists():
        raise TargetExists(f"{target} is there already: move it away, or choose another --to")
    from poolhand.keys.result_encryption import decrypt_result  # noqa: PLC0415 - for few

    told = encrypted_digest(archive)
    draft = target.with_name(f".{target.name}.opened")
    draft.unlink(missing_ok=True)
    try:
        decrypt_result(archive, draft, private_pem)
        if told is not None and told not in _possible(*digests(draft)):
            raise ResultForged(
                f"what is encrypted in {archive.name} does not have the digest {told}: it was not "
                "kept; tell the workerpool's owner which worker brought it"
            )
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return told


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


def _verify(view: TaskView, archive: Path) -> bool:
    """Compare an archive to the chain; tells whether it is encrypted, so that it only says so."""
    told = encrypted_digest(archive)
    if told is None:
        computed, files = digests(archive)
    if view.digest not in (_possible(computed, files) if told is None else [told]):
        raise ResultForged(
            f"the archive of task {view.task_id} does not have the digest {view.digest} that the "
            "workers agreed on: it was not kept; tell the workerpool's owner"
        )
    return told is not None


def _possible(computed: Computed, files: dict[str, bytes]) -> list[ResultDigest]:
    """Return what an archive may stand for: its output, or its callback data."""
    found = []
    for with_callback in (False, True):
        try:
            found.append(result_digest(computed, files, with_callback=with_callback))
        except NoResult:
            continue
    return found
