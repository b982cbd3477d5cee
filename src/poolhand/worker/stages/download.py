"""Getting the app image and the data."""

from __future__ import annotations

from poolhand.containers.image_name import ImageName
from poolhand.domain.errors import EndsProgram, PoolhandError, Refused, RuntimeDown, Unavailable
from poolhand.domain.ids import TaskId
from poolhand.domain.multiaddr import decode
from poolhand.domain.params import input_name
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.ports.clock import Clock
from poolhand.ports.files import Fetcher
from poolhand.transport.errors import FetcherLost, FileUnwritten
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_engine import AppEngine
from poolhand.worker.brief import Brief
from poolhand.worker.briefs import Briefs
from poolhand.worker.dataset_cache import DatasetCache
from poolhand.worker.image_cache import ImageCache
from poolhand.worker.stages.task_data import TaskData, bring_bulk
from poolhand.worker.task_folders import TaskFolders
from poolhand.worker.task_rules import Rules


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
            data = TaskData(self._fetcher, self._rules, folder, self._rules.all_input_bytes)
            await _dataset(data, brief, self._kept)
            if brief.params.bulk_cid and brief.deal.tag.needs_tee:
                cid, dataset_of = brief.params.bulk_cid, self._briefs.dataset
                await bring_bulk(data, self._kept, dataset_of, replicate.offer, cid)
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


async def _dataset(data: TaskData, brief: Brief, kept: DatasetCache) -> None:
    if brief.dataset is not None:
        await data.bring(brief.dataset, kept)
