"""Getting the app image and the data."""

from __future__ import annotations

from poolhand.domain.errors import PoolhandError, Refused, Unavailable
from poolhand.domain.multiaddr import decode
from poolhand.domain.params import input_name
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.worker.bench import Bench, Folder
from poolhand.worker.brief import Brief
from poolhand.worker.hands.engine import patiently


class WrongChecksum(Refused):
    """A file is not the one that its contract names."""

    def __init__(self, uri: str, expected: str, found: str) -> None:
        super().__init__(
            f"{uri} has sha256 {found[:16]}…, the dataset contract says {expected[:16]}…: its "
            "owner must publish the original file or deploy a new dataset"
        )


async def download_app(bench: Bench, replicate: Replicate) -> Finished:
    """Make the app's image present, by the digest on chain."""
    brief = await bench.brief(replicate.offer)
    outcome, detail = Status.APP_DOWNLOADED, None
    try:
        await pull(bench, brief)
    except (Refused, Unavailable) as fault:
        outcome, detail = Status.APP_DOWNLOAD_FAILED, str(fault)
    return Finished(bench.clock.now(), Action.DOWNLOAD_APP, outcome, detail)


async def pull(bench: Bench, brief: Brief) -> str:
    """Make the app's image present; returns the reference to run."""
    image, _ = image_of(brief)
    await bench.places.check_image(image)
    timeout = bench.pull_timeout(brief)
    return await patiently(bench, lambda: bench.runtime.pull(*image_of(brief), timeout))


def image_of(brief: Brief) -> tuple[str, str]:
    """Return image reference and digest (64 hexadecimal digits) of a brief's app."""
    return decode(brief.app.multiaddr), brief.app.checksum.hex()


async def download_data(bench: Bench, replicate: Replicate) -> Finished:
    """Download the dataset, checked, and the input files."""
    brief = await bench.brief(replicate.offer)
    folder = bench.folder(replicate.offer.task_id)
    outcome, detail = Status.DATA_DOWNLOADED, None
    try:
        folder.create()
        await _dataset(bench, brief, folder)
        for uri in brief.params.input_files:
            await _fetch(bench, uri, folder, input_name(uri))
    except (PoolhandError, OSError) as fault:
        outcome, detail = Status.DATA_DOWNLOAD_FAILED, str(fault)
    return Finished(bench.clock.now(), Action.DOWNLOAD_DATA, outcome, detail)


async def _dataset(bench: Bench, brief: Brief, folder: Folder) -> None:
    if brief.dataset is None:
        return
    uri = decode(brief.dataset.multiaddr)
    found = await _fetch(bench, uri, folder, dataset_name(brief))
    expected = brief.dataset.checksum.hex()
    if any(brief.dataset.checksum) and found != expected:
        (folder.input / dataset_name(brief)).unlink()
        raise WrongChecksum(uri, expected, found)


def dataset_name(brief: Brief) -> str:
    """Return the file name under which the app finds the dataset: its address, lower case."""
    return "0x" + brief.deal.dataset.address.hex()


async def _fetch(bench: Bench, uri: str, folder: Folder, name: str) -> str:
    target = str(folder.input / name)
    rules = bench.rules
    return await bench.fetcher.fetch(uri, target, rules.input_bytes, rules.download_timeout)
