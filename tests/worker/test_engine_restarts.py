"""A container engine that restarts costs time, never the replicate."""

from __future__ import annotations

import asyncio

import pytest
from worker_world import done

from network.world import writes
from poolhand.containers.noop import ended
from poolhand.domain.replicate.machine import Action
from poolhand.domain.replicate.status import Status

WORDS = "registry.test/words"


async def back_after(shop, action, replicate, seconds=30):
    """Carry out a stage whose engine comes back after some seconds."""
    shop.node.runtime.is_down = True
    stage = asyncio.create_task(shop.stages.perform(replicate, action))
    await shop.blocks(seconds)
    assert not stage.done()
    shop.node.runtime.is_down = False
    await shop.blocks(3)
    return await stage


@pytest.mark.parametrize(
    ("action", "outcome"),
    [(Action.DOWNLOAD_APP, Status.APP_DOWNLOADED), (Action.COMPUTE, Status.COMPUTED)],
)
async def test_an_engine_that_is_away_for_a_while_is_waited_for(shop, pulled, action, outcome):
    shop.node.runtime.apps = {WORDS: writes("x")}
    assert (await back_after(shop, action, pulled)).outcome is outcome


@pytest.mark.parametrize("code", [137, 143, 255])
async def test_a_container_that_the_engine_took_with_it_is_run_again(shop, pulled, code):
    ends = iter([lambda _: ended(code), writes("x")])

    def app(spec):
        return next(ends)(spec)

    shop.node.runtime.apps = {WORDS: app}
    assert (await done(shop, Action.COMPUTE, pulled)).outcome is Status.COMPUTED


@pytest.mark.parametrize(
    "outcome",
    [
        ended(3),
        ended(137, out_of_memory=True),
        ended(137, timed_out=True),
        ended(137, output_too_large=True),
    ],
)
async def test_an_app_that_failed_by_itself_is_not_run_again(shop, pulled, outcome):
    shop.node.runtime.apps = {WORDS: lambda _: outcome}
    assert (await done(shop, Action.COMPUTE, pulled)).outcome is Status.COMPUTE_FAILED
    assert sum(shop.node.runtime.computations.values()) == 1


async def test_an_app_that_is_always_killed_fails_in_the_end(shop, pulled):
    shop.node.runtime.apps = {WORDS: lambda _: ended(137)}
    finished = await done(shop, Action.COMPUTE, pulled)
    assert (finished.outcome, "137" in finished.detail) == (Status.COMPUTE_FAILED, True)
