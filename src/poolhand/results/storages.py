"""Which storage the settings choose, opened."""

from __future__ import annotations

from collections.abc import Callable

from poolhand.domain.ids import TaskId
from poolhand.ports.storage import ObjectStore, ResultStorage
from poolhand.settings.results import ResultsSettings
from poolhand.settings.storage import DISK, S3, StorageChoice
from poolhand.store.results_disk import DiskResults
from poolhand.store.results_elsewhere import ResultsElsewhere, check_mark


async def open_storage(
    settings: ResultsSettings, location_of: Callable[[TaskId], str]
) -> ResultStorage:
    """Open the storage that the operator has chosen.

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
        return DiskResults(folder, location_of)
    elsewhere = ResultsElsewhere(folder, _objects(choice), choice.name, location_of)
    await elsewhere.open()
    return elsewhere


def _objects(choice: StorageChoice) -> ObjectStore:
    """Return the storage's adapter; each loads its library when it is chosen."""
    if choice.kind == S3:
        from poolhand.store.s3_objects import S3Bucket, S3Objects  # noqa: PLC0415 - an extra

        return S3Objects(
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
    raise AssertionError(choice.kind)
