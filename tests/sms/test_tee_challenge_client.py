"""A pool's client against the service itself: for which tasks it is, and the keys of enclaves."""

from __future__ import annotations

import httpx
import pytest
from sms_world import URL
from tee_world import PROPERTIES, TeeScene

from poolhand.domain.tee.framework import TeeFramework
from poolhand.transport.tee_challenge_client import (
    ChallengeNotGiven,
    HttpTeeChallenges,
    TeeChallengesDown,
)


@pytest.fixture
async def tee(tmp_path):
    async with TeeScene(tmp_path).open() as made:
        yield made


def client(tee, answers=None, owner=None):
    http = httpx.AsyncClient(transport=httpx.MockTransport(answers)) if answers else tee.http
    return HttpTeeChallenges(http, URL, (owner or tee.world.owner).sign_challenge_request)


async def test_a_pool_is_told_the_framework_and_whether_it_is_simulated(tee):
    told = await client(tee).terms()
    assert told.framework is TeeFramework.TDX
    assert told.is_simulated is PROPERTIES.simulated


async def test_the_owner_is_told_the_enclave_of_an_active_task_each_time_the_same(tee):
    _, task = await tee.bought()
    first = await client(tee).challenge(task)
    assert not first.is_zero
    assert await client(tee).challenge(task) == first


async def test_a_stranger_is_told_nothing_nor_is_anybody_before_the_task_is_initialized(tee):
    _, task = await tee.bought()
    with pytest.raises(ChallengeNotGiven, match="401"):
        await client(tee, owner=tee.world.workers[0]).challenge(task)
    _, fresh = await tee.bought(initialize=False)
    with pytest.raises(ChallengeNotGiven, match="401"):
        await client(tee).challenge(fresh)


def fails(_request):
    raise httpx.ConnectError("nobody")


@pytest.mark.parametrize(
    "answers",
    [
        fails,
        lambda _: httpx.Response(503),
        lambda _: httpx.Response(200, text="0x12"),
        lambda _: httpx.Response(200, text="0x" + "0" * 40),
        lambda _: httpx.Response(200, text="x" * 100_000),
    ],
)
async def test_no_answer_and_rubbish_are_a_service_that_is_away(tee, answers):
    _, task = await tee.bought()
    with pytest.raises(TeeChallengesDown):
        await client(tee, answers).challenge(task)
    with pytest.raises(TeeChallengesDown):
        await client(tee, answers).terms()


async def test_a_service_without_properties_says_so(tee):
    def answers(request):
        known = request.url.path == "/tee/framework"
        return httpx.Response(200, text='"TDX"') if known else httpx.Response(404, text="nothing")

    with pytest.raises(ChallengeNotGiven, match="--tee-properties"):
        await client(tee, answers).terms()
