"""Results answer as their OpenAPI document says, to whatever that allows and to the rest."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from results_world import Scene

from as_described import RIGHT, WRONG, Described, served, told


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A service that has the result of a task."""
    there = {}

    @asynccontextmanager
    async def made():
        scene = await Scene(tmp_path_factory.mktemp("results")).open()
        worker = scene.workers[0]
        offer = await scene.revealed(worker)
        assert (await scene.put(worker, offer)).status_code == 200
        for path in ("/v1/results/{task_id}", "/v1/results/{task_id}/info"):
            there[path] = {"task_id": str(offer.task_id)}
        yield scene.app

    with served(made) as url, Described(url, there, {"chainId": 31337}) as described:
        yield described


@pytest.mark.timeout(600)  # seconds of a processor, on a machine that does much else
@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
def test_results_answer_as_they_are_described(results, mode):
    assert not (faults := results.faults(mode)), told(faults)
