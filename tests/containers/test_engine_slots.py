"""How many tasks a worker computes at once on an engine that has CPUs of its own."""

from __future__ import annotations

import pytest
from fake_engine import FakeEngine, serving

from poolhand.worker.engines import slots_of


@pytest.mark.parametrize(
    ("engines", "slots"), [(4, 3), (2, 1), (1, 1), (8, 7), (64, 7), (0, 7), ("many", 7), (None, 7)]
)
async def test_an_engine_with_fewer_cpus_gets_fewer_tasks(engines, slots):
    engine = FakeEngine()
    engine.info = {} if engines is None else {"NCPU": engines}
    async with serving(engine) as url:
        assert await slots_of(url, 7) == slots


async def test_an_engine_that_is_away_has_as_many_as_this_computer(tmp_path):
    assert await slots_of(f"unix://{tmp_path}/none", 7) == 7
