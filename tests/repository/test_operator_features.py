"""The page of what an operator has: complete, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/operator-features.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| \d", line)
]
FEATURES = 38


def test_it_has_every_feature_once_and_in_order():
    assert [int(row[0]) for row in ROWS] == list(range(1, FEATURES + 1))


def test_what_is_there_is_shown_by_something_and_what_is_not_says_so():
    for number, _, state, where, shown in ROWS:
        assert re.match(r"(yes|no|partly)\b", state), number
        assert state == "yes" or state.startswith("no") or ": " in state, number
        assert state.startswith("no") or (where and shown), number


def test_what_it_names_is_there():
    for link in re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / link).exists(), link
