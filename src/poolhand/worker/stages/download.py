"""Getting the app image and the data."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from poolhand.containers.image_name import ImageName
from poolhand.domain.errors import EndsProgram, PoolhandError, Refused, RuntimeDown, Unavailable
from poolhand.domain.ids import TaskId
from poolhand.domain.multiaddr import decode
from poolhand.domain.params import input_name
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.ports.clock import Clock
from poolhand.ports.files import Fetcher
from poolhand.transport.errors import DownloadTooLarge, FetcherLost, FileUnwritten
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_engine import AppEngine
from poolhand.worker.brief import Brief
from poolhand.worker.briefs import Briefs
from poolhand.worker.dataset_cache import DatasetCache
from poolhand.worker.image_cache import ImageCache
from poolhand.worker.task_folders import Folder, TaskFolders
from poolhand.worker.task_rules import Rules


class TooMuchInput(Refused):
    """Dataset and input files of a task come to more than the operator allows."""


class WrongChecksum(Refused):
    """A file is not the one that its contract names."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__(
            f"{uri} has sha256 {found[:16]}…, the dataset contract says {expected[:16]}…: its "
            "owner must publish the original file or deploy a new dataset"
        )


class ImagePull:
    """Makes the images of apps present.

    Args:
        engine: Pulls.
        places: Says from where.
        rules: Say how long that may take.
        cache: Told of what is used.
    """

    def __init__(
        self, engine: AppEngine, places: AllowedPlaces, rules: Rules, cache: ImageCache
    ) -> None:
        self._engine, self._places, self._rules = engine, places, rules
        self._cache = cache

    async def __call__(self, brief: Brief, task_id: TaskId) -> str:
        """Make the app's image present for a task; returns the reference to run."""
        image, digest = image_of(brief)
        await self._places.check_image(image)
        least, most = self._rules.least_pull_timeout, self._rules.pull_timeout
        timeout = brief.category.pull_timeout(least, most)
        exact = ImageName.parse(image).at(digest)
        self._cache.wants(task_id, exact)
        is_foreign = await self._cache.is_foreign(exact)
        reference = await self._engine.pull(image, digest, timeout)
        await self._cache.used(exact, is_foreign=is_foreign)
        return reference


def image_of(brief: Brief) -> tuple[str, str]:
    """Return image reference and digest (64 hexadecimal digits) of a brief's app."""
    return decode(brief.app.multiaddr), brief.app.checksum.hex()


class AppStage:
    """Makes the app's image present, by the digest on chain."""

    def __init__(self, briefs: Briefs, pull: ImagePull, clock: Clock) -> None:
        self._briefs, self._pull, self._clock = briefs, pull, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Pull it."""
        brief = await self._briefs.of(replicate.offer)
        outcome, detail = Status.APP_DOWNLOADED, None
        try:
            await self._pull(brief, replicate.offer.task_id)
        except EndsProgram:
            raise
        except RuntimeDown as fault:  # the worker's own trouble
            outcome, detail = Status.FAILED, str(fault)
        except (Refused, Unavailable) as fault:
            outcome, detail = Status.APP_DOWNLOAD_FAILED, str(fault)
        return Finished(self._clock.now(), Action.DOWNLOAD_APP, outcome, detail)


class DataStage:
    """Downloads the dataset, checked, and the input files.

    Args:
        briefs: Name them.
        folders: Where they go.
        fetcher: Brings them.
        rules: Say how much may come.
        kept: Datasets that earlier tasks have had.
        clock: Tells when it ended.
    """

    def __init__(
        self,
        briefs: Briefs,
        folders: TaskFolders,
        fetcher: Fetcher,
        rules: Rules,
        kept: DatasetCache,
        clock: Clock,
    ) -> None:
        self._briefs, self._folders, self._fetcher = briefs, folders, fetcher
        self._rules, self._kept, self._clock = rules, kept, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Download everything."""
        brief = await self._briefs.of(replicate.offer)
        folder = self._folders.of(replicate.offer.task_id)
        outcome, detail = Status.DATA_DOWNLOADED, None
        try:
            folder.create()
            data = _Data(self._fetcher, self._rules, folder, self._rules.all_input_bytes)
            await _dataset(data, brief, self._kept)
            for uri in brief.params.input_files:
                await data.fetch(uri, input_name(uri))
        except EndsProgram:
            raise
        except (FileUnwritten, FetcherLost) as fault:  # the worker's own trouble
            outcome, detail = Status.FAILED, str(fault)
        except OSError as fault:  # the worker's own folders
            lack = (
                f"the worker's folder for the task failed ({fault}): free some space, or repair it"
            )
            outcome, detail = Status.FAILED, lack
        except PoolhandError as fault:
            outcome, detail = Status.DATA_DOWNLOAD_FAILED, str(fault)
        return Finished(self._clock.now(), Action.DOWNLOAD_DATA, outcome, detail)


async def _dataset(data: _Data, brief: Brief, kept: DatasetCache) -> None:
    if brief.dataset is None:
        return
    uri, target = decode(brief.dataset.multiaddr), data.folder.input / dataset_name(brief)
    expected, is_checked = brief.dataset.checksum.hex(), any(brief.dataset.checksum)
    if is_checked and await data.take(kept, expected, target):
        return
    found = await data.fetch(uri, dataset_name(brief))
    if is_checked and found != expected:
        target.unlink()
        raise WrongChecksum(uri, expected, found)
    if is_checked:
        await kept.keep(expected, target)


def dataset_name(brief: Brief) -> str:
    """Return the file name under which the app finds the dataset: its address, lower case."""
    return "0x" + brief.deal.dataset.address.hex()


@dataclass(slots=True)
class _Data:
    """What comes for one task; ``left`` is what may still come (bytes)."""

    fetcher: Fetcher
    rules: Rules
    folder: Folder
    left: int

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
