"""Images that cannot be had: why is told everywhere, and the price comes back."""

from __future__ import annotations

from hashlib import sha256

import pytest
from reaching import reaches
from slow_server import slow_server
from status_lab import PERIOD, is_explained

from poolhand.devnet.ports import free_port
from poolhand.domain.replicate.status import Status
from poolhand.requester.wish import Wish

S = Status

NOBODYS = sha256(b"no image of anybody's").hexdigest()


@pytest.fixture(scope="module")
def bought(lab):
    """A task of each app; registered as they are, so that no tool of ours could object."""
    registry = lab.network.info.registry
    with slow_server() as slow:
        images = {
            "missing image": (f"{registry}/poolhand/nothing:1.0", NOBODYS),
            "bad digest": (lab.image.reference, NOBODYS),
            "registry down": (f"127.0.0.1:{free_port()}/poolhand/lab:1.0", lab.image.digest),
            "pull timeout": (f"{slow}/poolhand/lab:1.0", NOBODYS),
        }
        apps = lab.register(*(lab.app_of(*each) for each in images.values()))
        before = lab.money()
        wishes = {name: Wish(app) for name, app in zip(images, apps, strict=True)}
        yield lab.buy_all(wishes), before


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        pytest.param(
            "missing image",
            "poolhand/nothing",
            id="missing-image",
            marks=reaches(S.APP_DOWNLOAD_FAILED, S.FAILED, how="missing image"),
        ),
        pytest.param(
            "bad digest",
            NOBODYS,
            id="bad-digest",
            marks=reaches(S.APP_DOWNLOAD_FAILED, S.FAILED, how="bad digest"),
        ),
        pytest.param(
            "registry down",
            "its registry was not reached",
            id="registry-down",
            marks=reaches(S.APP_DOWNLOAD_FAILED, S.FAILED, how="registry down"),
        ),
        pytest.param(
            "pull timeout",
            "it was not complete in time",
            id="pull-timeout",
            marks=reaches(S.APP_DOWNLOAD_FAILED, S.FAILED, how="pull timeout"),
        ),
    ],
)
def test_an_image_that_cannot_be_had_is_explained(lab, bought, how, cause):
    tasks, _ = bought
    is_explained(lab, tasks[how], S.APP_DOWNLOAD_FAILED, cause)
    lab.until(tasks[how], S.FAILED)


def test_the_price_of_apps_that_nobody_can_pull_comes_back(lab, bought):
    tasks, before = bought
    lab.claimed(tasks.values(), 10 * PERIOD)
    lab.refunded(before, len(tasks))
