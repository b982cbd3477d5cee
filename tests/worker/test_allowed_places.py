"""A worker goes where its operator allows, whatever an app or a pool says (A8, A9)."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest
from scripted_pool import ScriptedPool

from network.links import welcome
from poolhand.containers.errors import ImageNotFound
from poolhand.domain.replicate.status import Status
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.worker.allowed_places import AllowedPlaces, ImageForbidden, ResultsForbidden
from poolhand.worker.standing import Hold


async def private(_host, _port):
    return (ip_address("10.0.0.1"),)


def places(**flags) -> AllowedPlaces:
    """Return what settings say; every name is at a private address."""
    needed = {"pool-address": "0x" + "1" * 40, "wallet": "w", "chain": "bellecour"}
    given = needed | {name.replace("_", "-"): value for name, value in flags.items()}
    return AllowedPlaces.of(worker_settings(load(WORKER_OPTIONS, given, {}, None), {}, 4), private)


@pytest.mark.case("A8")
@pytest.mark.parametrize(
    "image",
    [
        "127.0.0.1:39555/x@sha256:" + "1" * 64,
        "localhost:5000/x:1",
        "registry.lan/x",
        "[::1]:5000/x",
    ],
)
async def test_an_image_at_a_private_registry_is_refused_unless_allowed_by_name(image):
    with pytest.raises(ImageForbidden, match="POOLHAND_ALLOWED_REGISTRIES"):
        await places().check_image(image)
    await places(allow_private="true").check_image(image)
    await places(allowed_registries=image.partition("/")[0]).check_image(image)
    await places(allowed_hosts=image.partition("/")[0]).check_image(image)


@pytest.mark.case("A8")
async def test_the_engines_own_question_has_the_same_answer():
    assert not await places().may_ask("127.0.0.1:5000")
    assert await places(allowed_registries="127.0.0.1:5000").may_ask("127.0.0.1:5000")
    assert await places().may_ask("docker.io")


async def test_what_is_no_image_name_is_told_as_that():
    with pytest.raises(ImageNotFound):
        await places().check_image("UPPER case")


@pytest.mark.case("A9")
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9999", "https://results.lan", "http://r.example"]
)
async def test_results_are_brought_to_no_private_place_unless_allowed_by_name(url):
    with pytest.raises(ResultsForbidden) as refused:
        await places().check_results(url)
    (named,) = re.findall(r"POOLHAND_ALLOWED_HOSTS=(\S+)", str(refused.value))
    await places(allowed_hosts=named).check_results(url)
    await places(allow_private="true").check_results(url)
    await places(allowed_hosts=url.partition("://")[2]).check_results(url)


@pytest.fixture
async def pool(tmp_path):
    made = ScriptedPool(tmp_path)
    await made.opens()
    told = replace(places(), resolver=private)
    made.member._places = made.node.worker.pull._places = told
    yield made
    await made.world.stop()


@pytest.mark.case("A9")
async def test_a_worker_takes_nothing_whose_result_it_may_not_bring(pool):
    told = replace(welcome(), results_url="http://127.0.0.1:9999")
    await pool.member.connected(told)
    await pool.world.settle()
    assert "127.0.0.1:9999" in pool.member.standing.paused
    await pool.member.connected(replace(told, results_url="https://1.1.1.1"))
    await pool.world.settle()
    assert not pool.member.standing.is_held(Hold.RESULTS)


@pytest.mark.case("A8")
async def test_the_engine_is_not_asked_for_an_image_at_a_private_registry(pool):
    await pool.member.connected(replace(welcome(), results_url="https://1.1.1.1"))
    await pool.world.settle()
    task = await pool.offered(trust=10)
    entries = pool.member.shell.replicates[task].history
    (failed,) = [each for each in entries if each.status is Status.APP_DOWNLOAD_FAILED]
    assert "no image is pulled from" in failed.detail
