"""Which storage the settings choose, opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from poolhand.domain.ids import TaskId
from poolhand.ports.storage import ObjectStore, ResultStorage
from poolhand.settings.results import ResultsSettings
from poolhand.settings.storage import DISK, IPFS, StorageChoice
from poolhand.store.results_disk import DiskResults
from poolhand.store.results_elsewhere import ResultsElsewhere, check_mark


@asynccontextmanager
async def opened_storage(
    settings: ResultsSettings, location_of: Callable[[TaskId], str]
) -> AsyncIterator[ResultStorage]:
    """Lend the storage that the operator has chosen, ready for use.

    Args:
        settings: Of the operator.
        location_of: Tells where requesters find the result of a task, of this service's own.

    Raises:
        StorageUnfit: Its address, bucket or credentials are wrong, or the folder is another's.
        StorageDown: The folder cannot be used, or the storage does not answer.
    """
    choice, folder = settings.storage, settings.folder
    if choice.kind == DISK:
        check_mark(folder, choice.name)
        yield DiskResults(folder, location_of)
        return
    async with _objects(choice) as objects:
        elsewhere = ResultsElsewhere(folder, objects, choice.name, location_of)
        await elsewhere.open()
        yield elsewhere


@asynccontextmanager
async def _objects(choice: StorageChoice) -> AsyncIterator[ObjectStore]:
    """Lend a storage's adapter; each loads its library when it is chosen."""
    if choice.kind == IPFS:
        from poolhand.store.kubo_objects import KuboObjects, kubo_client  # noqa: PLC0415

        async with kubo_client() as http:
            yield KuboObjects(http, choice.rpc, choice.authorization)
        return
    from poolhand.store.s3_objects import S3Bucket, S3Objects  # noqa: PLC0415 - an extra

    yield S3Objects(
        S3Bucket(
            choice.bucket,
            choice.prefix,
            choice.endpoint,
            choice.region,
            choice.key_id,
            choice.secret,
            choice.token,
        )
    )
