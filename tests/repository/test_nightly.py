"""``make nightly``: its parts exist, one that fails ends no other, and the page tells of each."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import nightly
import pytest
from nightly import PARTS, Part

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PARTS)
def test_what_a_part_runs_is_there(name):
    words = PARTS[name].words
    for word in words:
        if "/" in word and not word.startswith("-"):
            assert (ROOT / word).exists(), word
    for at, word in enumerate(words):
        if word == "-m" and words[at - 1].endswith("python"):
            assert (ROOT / words[at + 1] / "__main__.py").exists(), words[at + 1]


@pytest.mark.parametrize("name", PARTS)
def test_what_a_part_asks_is_heard(name):
    asked = [*PARTS[name].asks, nightly.SEED]
    heard = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("*.py"))
    for variable in asked:
        assert re.search(rf'environ\.get\("{variable}"', heard), variable


def test_the_menu_and_the_guide_have_it():
    assert re.search(r"^nightly: setup ##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "`make nightly`" in (ROOT / "CONTRIBUTING.md").read_text()


def test_every_property_has_more_examples_at_night():
    """A number that stands there by itself would stay the same."""
    fixed = re.compile(r"max_examples=\d")
    found = [p.name for p in (ROOT / "tests").rglob("*.py") if fixed.search(p.read_text())]
    assert found == ["test_any_book.py"], "use examples() of tests/many.py"


def test_a_part_that_fails_ends_no_other_and_is_named_first(tmp_path, capsys):
    say = "import os, sys; print('seed', os.environ['POOLHAND_LIFE_SEED']); sys.exit(%d)"
    parts = {
        "first": Part("goes well", (sys.executable, "-c", say % 0)),
        "second": Part("does not", (sys.executable, "-c", "print('```')\n" + say % 3)),
        "third": Part("goes well, too", (sys.executable, "-c", say % 0), {"A": "b"}),
    }
    assert nightly.play(parts, tmp_path, 7, ["a night"]) == 1
    page = (tmp_path / "page.md").read_text()
    assert "**failed: second**\n" in page
    assert re.findall(r"^\| (\w+) \| .* \| (\d) \| 0\.\d \|$", page, re.MULTILINE) == [
        ("first", "0"), ("second", "3"), ("third", "0"),
    ]  # fmt: skip
    assert page.count("```") == 6, "what a part prints does not end its frame"
    assert (tmp_path / "third.log").read_text() == "seed 7\n"


def test_the_page_is_there_before_all_is_done():
    told = nightly.page({"lives": nightly.Outcome(0, 60.0, "good")}, PARTS, [])
    assert "**nothing failed**; to come: tests, examples, network, plants, chaos, bench" in told


def test_parts_run_in_one_order_and_others_are_named():
    assert nightly.chosen("bench, lives") == ("lives", "bench")
    with pytest.raises(argparse.ArgumentTypeError, match=r"weather.*lives"):
        nightly.chosen("weather")


def test_the_parts_are_told_without_running_any():
    words = (sys.executable, str(ROOT / "scripts" / "nightly.py"), "--list")
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in told.splitlines()] == list(PARTS)
