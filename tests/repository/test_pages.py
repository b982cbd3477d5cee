"""Pages that people read are what the code says; the layers on paper are those on disk."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict
from pathlib import Path

import docs as pages

import poolhand
from poolhand.domain.errors import PoolhandError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "poolhand"


def test_the_settings_page_is_fresh():
    committed = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert committed == pages.settings_page(), "run `make docs`"


def test_the_architecture_page_names_every_package_and_no_other():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = page.split("## Layers", 1)[1].split("| a thing that", 1)[0]
    cells = [line.split("|")[2] for line in table.splitlines() if line.count("|") > 3]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    on_disk = {each.name for each in PACKAGE.iterdir() if (each / "__init__.py").exists()}
    assert named == on_disk | {"__main__"}


def test_no_file_of_the_product_is_over_400_lines():
    for file in PACKAGE.rglob("*.py"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 400, f"{file.name} has {len(lines)} lines: split it"


def test_an_error_code_means_one_thing_in_the_whole_product():
    for found in pkgutil.walk_packages(poolhand.__path__, "poolhand."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    homes = defaultdict(set)
    kinds = [PoolhandError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if kind.__module__.startswith("poolhand."):
            homes[kind.__name__].add(kind.__module__)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_nothing_is_left_for_later_in_the_product():
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error")))
    for file in PACKAGE.rglob("*.py"):
        assert not marks.search(file.read_text(encoding="utf-8")), file
