"""The frame of ``make bench``: what is asked for is measured, told and kept, and nothing else."""

import argparse
import asyncio
import json
from datetime import datetime
from importlib import import_module

import pytest
from bench import __main__ as bench
from bench.frame import Job, at, circumstances, merged
from bench.page import figures
from bench.registry import FIGURES, MEASUREMENTS, Figure


def test_every_figure_is_found_by_a_measurement_that_exists():
    assert {figure.of for figure in FIGURES} == set(MEASUREMENTS)
    assert len({figure.key for figure in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_finds_what_it_imports(name):
    assert asyncio.iscoroutinefunction(import_module(f"bench.{name}").keys)


def test_measurements_run_in_one_order_whatever_the_order_they_are_named_in():
    assert bench.chosen("idle, start,placement") == ("start", "placement", "idle")


def test_a_measurement_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(argparse.ArgumentTypeError, match=r"speed.*placement"):
        bench.chosen("speed")


def test_a_part_leaves_what_the_rest_found_before(tmp_path):
    file = tmp_path / "latest.json"
    bench.keep({"assignment_ms": {"p95": 39.0}, "recovery_s": 2.0}, file)
    bench.keep({"assignment_ms": {"p95_busy": 80.0}, "recovery_s": 1.0}, file)
    kept = json.loads(file.read_text())
    assert kept == {"assignment_ms": {"p95": 39.0, "p95_busy": 80.0}, "recovery_s": 1.0}


def test_a_measurement_is_kept_with_its_date_and_the_load_beside_it():
    with circumstances("idle") as beside:
        pass
    told = beside["measured"]["idle"]
    datetime.strptime(told["at"], "%Y-%m-%d %H:%M UTC")  # noqa: DTZ007 - only whether it reads
    assert told["load_before"] >= 0
    assert told["load_after"] >= 0
    assert at(beside, "calibration_s.idle") > 0


def test_members_are_read_by_the_path_that_the_issue_names():
    keys = merged({"bag": {"1000": {"paid_s": 120}}}, {"bag": {"gas_share": 0.9}})
    assert at(keys, "bag.1000.paid_s") == 120
    assert at(keys, "bag.gas_share") == 0.9
    assert at(keys, "bag.1000") is None
    assert at(keys, "bag.10000.paid_s") is None


@pytest.mark.parametrize(
    ("goal", "found", "met"),
    [
        ("< 5", 4.9, True),
        ("< 5", 5.0, False),
        (">= 2000", 2000.0, True),
        (">= 2000", 1999.0, False),
    ],
)
def test_a_goal_is_met_as_it_is_written(goal, found, met):
    assert Figure("f", "f", "start", goal).is_met(found) is met


def test_a_small_run_measures_at_least_one_of_everything(tmp_path):
    assert Job(tmp_path, 0.1).scaled(10_000) == 1000
    assert Job(tmp_path, 0.1).scaled(3) == 1


def test_what_was_not_measured_is_not_shown_as_met():
    table = figures({"start": {"import_s": 0.1}}, ["start"])
    met = dict(zip(table.columns[0].cells, table.columns[-1].cells, strict=True))
    assert sorted(met.values()) == ["", "[green]yes[/]"]
    assert "start.import_s" in next(name for name, mark in met.items() if mark)


@pytest.mark.parametrize(
    ("name", "size", "found"),
    [("transitions", 0.004, "transitions.per_s"), ("assignment", 0.02, "assignment_ms.p95_busy")],
)
async def test_a_pool_that_is_simulated_still_speaks_with_the_scheduler(
    tmp_path, name, size, found
):
    async with asyncio.timeout(60):
        keys = await import_module(f"bench.{name}").keys(Job(tmp_path, size))
    assert at(keys, found) > 0
