"""Data that cannot be had, or must not be: why is told everywhere, and the price comes back."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from reaching import reaches
from slow_server import slow_server
from status_lab import DOWNLOAD, PERIOD, is_explained

from poolhand.domain.replicate.status import Status
from poolhand.requester.wish import Wish

S = Status

CAUTIOUS = "worker-4"
"""Goes to no private addresses, but where results and images are, as a worker in a lab would."""


@pytest.fixture(scope="module")
def bought(lab):
    """A task for each kind of data; their URLs and what the chain says of them are as they are."""
    files, url = Path(lab.network.info.files), lab.network.info.files_url
    (files / "large").write_bytes(bytes(100_000))
    (files / "changed").write_text("something else")
    changed = lab.dataset_of(f"{url}/changed", sha256(b"something").digest())
    (dataset,) = lab.register(changed)
    info = lab.network.info
    named = ",".join((info.results_url.removeprefix("http://"), info.registry))
    careful = {"POOLHAND_ALLOW_PRIVATE": "false", "POOLHAND_ALLOWED_HOSTS": named}
    with slow_server() as slow, lab.changed(CAUTIOUS, **careful):
        inputs = {
            "404": f"{url}/nothing",
            "too large": f"{url}/large",
            "timeout": f"http://{slow}/data",
            "file of the machine": "file:///etc/hostname",
            "ftp": "ftp://127.0.0.1/data",
            "private address": f"https://{slow}/data",
        }
        wishes = {name: Wish(lab.app, inputs=(uri,)) for name, uri in inputs.items()}
        wishes["checksum"] = Wish(lab.app, dataset=dataset)
        before = lab.money()
        yield lab.buy_all(wishes), before


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        pytest.param(
            "404",
            "no such file, 404",
            id="404",
            marks=reaches(S.DATA_DOWNLOAD_FAILED, S.FAILED, how="404"),
        ),
        pytest.param(
            "checksum",
            "has sha256",
            id="checksum",
            marks=reaches(S.DATA_DOWNLOAD_FAILED, S.FAILED, how="checksum"),
        ),
        pytest.param(
            "too large",
            "has more than 65536 bytes",
            id="too-large",
            marks=reaches(S.DATA_DOWNLOAD_FAILED, S.FAILED, how="too large"),
        ),
        pytest.param(
            "timeout",
            f"not complete after {DOWNLOAD} s",
            id="timeout",
            marks=reaches(S.DATA_DOWNLOAD_FAILED, S.FAILED, how="timeout"),
        ),
        pytest.param(
            "file of the machine",
            "files of this machine are private",
            id="file",
            marks=reaches(S.DATA_DOWNLOAD_FAILED, S.FAILED, how="forbidden scheme: file"),
        ),
        pytest.param(
            "ftp",
            "scheme 'ftp' is not one of",
            id="ftp",
            marks=reaches(S.DATA_DOWNLOAD_FAILED, S.FAILED, how="forbidden scheme: ftp"),
        ),
    ],
)
def test_data_that_cannot_be_had_is_explained(lab, bought, how, cause):
    tasks, _ = bought
    others = {"worker-1", "worker-2", "worker-3"}
    lab.until(tasks[how], S.DATA_DOWNLOAD_FAILED)
    (worker, *_) = others & set(lab.until(tasks[how], S.DATA_DOWNLOAD_FAILED, count=2))
    is_explained(lab, tasks[how], S.DATA_DOWNLOAD_FAILED, cause, worker)
    lab.until(tasks[how], S.FAILED, worker)


@reaches(S.DATA_DOWNLOAD_FAILED, S.FAILED, how="forbidden address: private")
def test_a_worker_downloads_nothing_from_its_own_network(lab, bought):
    tasks, _ = bought
    cause = "which is not a public address"
    is_explained(lab, tasks["private address"], S.DATA_DOWNLOAD_FAILED, cause, CAUTIOUS)


def test_the_price_of_tasks_whose_data_nobody_can_have_comes_back(lab, bought):
    tasks, before = bought
    lab.claimed(tasks.values(), 10 * PERIOD)
    lab.refunded(before, len(tasks))
