"""Planted faults can be planted: each stands once where it is to be, and is a fault of conduct."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import planting
from sources import ROOT

PLANTS = {each.id: each for each in planting.plants()}


def test_every_fault_can_still_be_planted():
    for each in PLANTS.values():
        assert each.spoilt()


def test_no_two_plants_share_a_name():
    assert len(PLANTS) == len(planting.plants())


def broken(folder):
    """Return what does not parse or names what is not there, of the Python files of a folder."""
    words = ("ruff", "check", "--isolated", "--no-cache", "--select=F821,E9",
             "--target-version=py311", "--output-format=concise", "--quiet", str(folder))  # fmt: skip
    done = subprocess.run(
        (sys.executable, "-m", *words), cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert not done.stderr
    return {Path(line.partition(":")[0]).stem for line in done.stdout.splitlines()}


def test_a_planted_fault_is_a_program_that_runs(tmp_path):
    """A name that is not there would fail any test: such a plant proves none."""
    for name, each in PLANTS.items():
        if each.file.endswith(".py"):
            (tmp_path / f"{name}.py").write_text(each.spoilt(), encoding="utf-8")
    assert broken(tmp_path) == set()


def test_a_fault_that_names_what_is_not_there_would_be_found(tmp_path):
    (tmp_path / "good.py").write_text("print(1)\n")
    (tmp_path / "gone.py").write_text("print(gone)\n")
    (tmp_path / "cut.py").write_text("found = pass\n")
    assert broken(tmp_path) == {"gone", "cut"}
