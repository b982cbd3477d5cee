"""docs/sandbox.md says what was seen of every hostile image, and that all were contained."""

from __future__ import annotations

import json

import pytest
import sandboxpage
from hostile.__main__ import LEVELS, options
from hostile.attacks import ATTACKS
from hostile.image import PROGRAMS

KEPT = json.loads(sandboxpage.KEPT.read_text(encoding="utf-8"))


def test_the_page_is_fresh():
    assert sandboxpage.PAGE.read_text(encoding="utf-8") == sandboxpage.page(), "run `make docs`"


def test_every_hostile_image_was_contained_at_every_level():
    assert set(KEPT["levels"]) >= set(LEVELS)
    for level, told in KEPT["levels"].items():
        rows = told["attacks"]
        if level in LEVELS:
            assert [attack.name for attack in ATTACKS] == list(rows)
        assert [name for name, row in rows.items() if not row["contained"]] == []


def test_every_hostile_image_has_its_program():
    assert all((PROGRAMS / f"{attack.name}.py").is_file() for attack in ATTACKS)


def test_some_images_or_levels_can_be_named_and_no_strange_ones():
    assert [attack.name for attack in options(["--only", "vsock,links"]).attacks] == [
        "vsock",
        "links",
    ]
    assert options(["--levels", "gvisor"]).levels == ("gvisor",)
    for strange in (["--only", "nice"], ["--levels", "paper"]):
        with pytest.raises(SystemExit):
            options(strange)
