"""Planted faults can be planted: each stands exactly once where it is to be planted."""

from __future__ import annotations

import tomllib

from sources import ROOT, TESTS


def plants():
    return tomllib.loads((TESTS / "plants.toml").read_text(encoding="utf-8"))["plant"]


def test_every_plant_finds_its_line():
    found = {
        each["id"]: (ROOT / each["file"]).read_text(encoding="utf-8").count(each["old"])
        for each in plants()
    }
    assert {name: count for name, count in found.items() if count != 1} == {}


def test_no_two_plants_share_a_name():
    names = [each["id"] for each in plants()]
    assert sorted(set(names)) == sorted(names)
