"""Getting the app image and the data."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from poolhand.domain.errors import PoolhandError, Refused, Unavailable
from poolhand.domain.multiaddr import decode
from poolhand.domain.params import input_name
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.transport.errors import DownloadTooLarge
from poolhand.worker.brief import Brief
from poolhand.worker.stages.engine import until_answered
from poolhand.worker.toolbox import Folder, Toolbox


class TooMuchInput(Refused):
    """Dataset and input files of a task come to more than the operator allows."""


class WrongChecksum(Refused):
    """A file is not the one that its contract names."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__(
            f"{uri} has sha256 {found[:16]}…, the dataset contract says {expected[:16]}…: its "
            "owner must publish the original file or deploy a new dataset"
        )


async def download_app(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Make the app's image present, by the digest on chain."""
    brief = await toolbox.brief(replicate.offer)
    outcome, detail = Status.APP_DOWNLOADED, None
    try:
        await pull(toolbox, brief)
    except (Refused, Unavailable) as fault:
        outcome, detail = Status.APP_DOWNLOAD_FAILED, str(fault)
    return Finished(toolbox.clock.now(), Action.DOWNLOAD_APP, outcome, detail)


async def pull(toolbox: Toolbox, brief: Brief) -> str:
    """Make the app's image present; returns the reference to run."""
    image, _ = image_of(brief)
    await toolbox.places.check_image(image)
    timeout = toolbox.pull_timeout(brief)
    return await until_answered(toolbox, lambda: toolbox.runtime.pull(*image_of(brief), timeout))


def image_of(brief: Brief) -> tuple[str, str]:
    """Return image reference and digest (64 hexadecimal digits) of a brief's app."""
    return decode(brief.app.multiaddr), brief.app.checksum.hex()


async def download_data(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Download the dataset, checked, and the input files."""
    brief = await toolbox.brief(replicate.offer)
    folder = toolbox.folder(replicate.offer.task_id)
    outcome, detail = Status.DATA_DOWNLOADED, None
    try:
        folder.create()
        data = _Data(toolbox, folder, toolbox.rules.all_input_bytes)
        await _dataset(data, brief)
        for uri in brief.params.input_files:
            await data.fetch(uri, input_name(uri))
    except (PoolhandError, OSError) as fault:
        outcome, detail = Status.DATA_DOWNLOAD_FAILED, str(fault)
    return Finished(toolbox.clock.now(), Action.DOWNLOAD_DATA, outcome, detail)


async def _dataset(data: _Data, brief: Brief) -> None:
    if brief.dataset is None:
        return
    uri = decode(brief.dataset.multiaddr)
    found = await data.fetch(uri, dataset_name(brief))
    expected = brief.dataset.checksum.hex()
    if any(brief.dataset.checksum) and found != expected:
        (data.folder.input / dataset_name(brief)).unlink()
        raise WrongChecksum(uri, expected, found)


def dataset_name(brief: Brief) -> str:
    """Return the file name under which the app finds the dataset: its address, lower case."""
    return "0x" + brief.deal.dataset.address.hex()


@dataclass(slots=True)
class _Data:
    """What comes for one task; ``left`` is what may still come (bytes)."""

    toolbox: Toolbox
    folder: Folder
    left: int

    async def fetch(self, uri: str, name: str) -> str:
        """Download a file and return its sha256 (hexadecimal).

        Raises:
            TooMuchInput: With it the task would have more than the operator allows.
            ForbiddenUri, DownloadTooLarge, DownloadFailed: See ``Fetcher.fetch``.
        """
        rules, target = self.toolbox.rules, self.folder.input / name
        limit = min(rules.input_bytes, self.left)
        try:
            found = await self.toolbox.fetcher.fetch(
                uri, str(target), limit, rules.download_timeout
            )
        except DownloadTooLarge as fault:
            if limit == rules.input_bytes:
                raise
            raise TooMuchInput(
                f"the dataset and input files come to more than {rules.all_input_bytes} bytes: use "
                "less, or let the worker's operator raise the limit (POOLHAND_TASK_ALL_INPUT)"
            ) from fault
        self.left -= (await asyncio.to_thread(target.stat)).st_size
        return found
