"""The protocol's document names real sources and real tests, and every rule once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from poolhand.wire.frames import _BY_NAME
from poolhand.wire.messages import SessionMessage

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/protocol/worker-protocol.md").read_text(encoding="utf-8")
RULES = re.findall(r"^\| (P-\d+) \| (.+?) \| (\S+) \| (\S+) \|$", TEXT, re.MULTILINE)
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def test_the_rules_are_numbered_without_a_gap():
    assert [number for number, *_ in RULES] == [f"P-{number}" for number in range(1, 66)]


@pytest.mark.parametrize(("number", "source", "test"), [(r[0], r[2], r[3]) for r in RULES])
def test_a_rule_names_a_source_and_a_test_that_exist(number, source, test):
    assert (ROOT / "src/poolhand" / source).is_file(), number
    assert re.search(rf"^(async )?def {test}\(", TESTS, re.MULTILINE), number


def test_a_rules_test_proves_one_rule():
    tests = [test for *_, test in RULES]
    assert len(set(tests)) == len(tests)


def test_every_message_has_a_name_on_the_wire_that_the_document_tells():
    assert set(_BY_NAME.values()) == set(get_args(SessionMessage))
    told = TEXT.partition("## Frames")[2]
    assert [name for name in _BY_NAME if f"`{name}`" not in told] == []
