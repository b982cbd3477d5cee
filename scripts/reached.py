"""Which test reaches which replicate status: read from the tests' source, without running them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marked import StrayClaim, marked, text

from poolhand.domain.replicate.status import Status

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ROOT / "tests" / "e2e"
PAGE: Final = ROOT / "docs" / "statuses-tested.md"
CLAIM: Final = "reaches"
HEAD: Final = """# Statuses and the tests that reach them

<!-- Made by `make docs` from the tests' source; do not edit. -->

Every replicate status is provoked on the real contracts with real containers. A test claims what
it reaches with `@reaches`, and fails when no history that it was told has that status
(`tests/e2e/reaching.py`). What each status means: [statuses.md](statuses.md).

"""


@dataclass(frozen=True, order=True, slots=True)
class Claim:
    """One status that one test provokes; ``how`` is empty where there is one way only."""

    status: Status
    how: str
    place: str


def claims(folder: Path = TESTS) -> tuple[Claim, ...]:
    """Read every claim of the tests below a folder.

    Raises:
        StrayClaim: One stands elsewhere than in a decorator of a test.
    """
    return tuple(claim for call, place in marked(folder, CLAIM) for claim in _claimed(call, place))


def _claimed(call: ast.Call, place: str) -> Iterator[Claim]:
    how = text(call, "how")
    for argument in call.args:
        if not isinstance(argument, ast.Attribute):
            raise StrayClaim(f"{place} claims what is no Status.NAME")
        yield Claim(Status[argument.attr], how, place)


def page() -> str:
    """Return docs/statuses-tested.md."""
    found: defaultdict[Status, list[Claim]] = defaultdict(list)
    for claim in claims():
        found[claim.status].append(claim)
    rows = ["| status | how | test |", "| --- | --- | --- |"]
    for status in Status:
        for number, claim in enumerate(found[status] or [Claim(status, "**no test**", "")]):
            shown = "" if number else f"`{status}`"
            rows.append(f"| {shown} | {claim.how} | {link(claim.place)} |")
    return HEAD + "\n".join(rows) + "\n"


def link(place: str) -> str:
    """Return a link from a page of docs/ to a test."""
    path, _, test = place.partition("::")
    shown = f"{Path(path).name}::{test}" if test else Path(path).name
    return f"[`{shown}`](../{path})" if place else ""
