"""What the field did to the product, what the product does now, and the tests of that."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from marked import StrayClaim, marked
from planting import plants
from reached import link

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ROOT / "tests"
TABLE: Final = ROOT / "docs" / "field-cases.toml"
PAGE: Final = ROOT / "docs" / "field-cases.md"
MARK: Final = "case"
PLANTED: Final = re.compile(r"P\d+(-[a-z-]+)?")
"""Ids of planted faults that are cases."""
HEAD: Final = """# Cases of the field

<!-- Made by `make docs` from field-cases.toml and the tests' source; do not edit. -->

What attackers (A, N), providers of chain endpoints (B), keystores (C), apps and data (D) and
newcomers (E) did to Poolhand, and faults that were planted and lived (P). A test that holds the
product to its answer says so with `@pytest.mark.case`; faults and the tests that catch them are in
`tests/plants.toml`.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One case: of which kind, what happened, and what the product does now."""

    kind: str
    happened: str
    answer: str


def cases() -> Mapping[str, Case]:
    """Read the table; the order is its own."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Case(**row) for name, row in rows.items()}


@cache
def places(folder: Path = TESTS) -> Mapping[str, tuple[str, ...]]:
    """Return the tests of each case; of a planted fault the files in which it is caught.

    Raises:
        StrayClaim: A mark decorates no test, or names its case by other than a literal.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for call, place in marked(folder, MARK):
        for argument in call.args:
            if not isinstance(argument, ast.Constant):
                raise StrayClaim(f'{place} names a case by what is no "A1"')
            found[str(argument.value)].append(place)
    for plant in plants():
        files = [word for word in shlex.split(plant.tests) if word.startswith("tests/")]
        found[plant.id.partition("-")[0]] += files if PLANTED.fullmatch(plant.id) else []
    return {name: tuple(sorted(set(tests))) for name, tests in found.items() if tests}


def page() -> str:
    """Return docs/field-cases.md."""
    parts, tests, kind = [HEAD], places(), ""
    for name, case in cases().items():
        if case.kind != kind:
            kind = case.kind
            parts += [f"\n## {kind}\n", "| case | what happened | what we do | test |"]
            parts += ["| --- | --- | --- | --- |"]
        proofs = "<br>".join(link(place) for place in tests.get(name, ())) or "**no test**"
        parts.append(f"| {name} | {case.happened} | {case.answer} | {proofs} |")
    return "\n".join(parts) + "\n"
