"""One name for one thing: in the glossary, on disk, and in the code."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import modulemap

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "poolhand"
GLOSSARY = ROOT / "GLOSSARY.md"
TWICE = {
    "Acknowledged": "said by a machine and on the wire: the sessions room tells them apart",
    "Activated": "as Acknowledged",
    "Answer": "ports",
    "Bell": "the chain's and its fake's",
    "Block": "the chain's and its fake's",
    "Cause": "worker",
    "Claim": "ports",
    "Connection": "sessions",
    "Deployed": "worker",
    "Engine": "scheduler",
    "Facts": "worker",
    "Image": "worker",
    "ImageName": "worker",
    "Limits": "sessions",
    "Link": "worker",
    "Metrics": "scheduler",
    "Mined": "transactions",
    "Offer": "sessions",
    "Outbox": "transactions",
    "Outcome": "ports",
    "Payment": "worker",
    "Place": "worker",
    "Purse": "worker",
    "Report": "worker",
    "Reported": "sessions",
    "Result": "sessions",
    "RevealAsked": "sessions",
    "Room": "sessions",
    "Row": "worker",
    "Rpc": "worker",
    "Session": "worker",
    "Signed": "transactions",
    "Stake": "worker",
    "Standing": "worker",
    "State": "worker",
    "Step": "worker",
    "Terms": "worker",
    "Transaction": "worker",
    "UploadAsked": "sessions",
    "Verdict": "transactions",
}
"""Names that stand twice in the product, and which room gives one of them another name."""

LEAVING = {"chronicle", "seat"}
"""Retired words whose modules or classes have not been renamed yet."""


def glossary() -> Iterator[tuple[str, str, list[str]]]:
    """Yield word, meaning and retired words of every row."""
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[0] not in {"word", "---"}:
            yield cells[0], cells[1], [each.strip() for each in cells[2].split(",") if each.strip()]


def classes() -> dict[str, list[str]]:
    homes = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(file.relative_to(PACKAGE)))
    return homes


def test_the_map_of_the_modules_is_fresh():
    assert modulemap.PAGE.read_text(encoding="utf-8") == modulemap.page(), "run `make docs`"


def test_a_class_has_its_name_for_itself():
    twice = {name: found for name, found in classes().items() if len(found) > 1}
    assert {name: found for name, found in twice.items() if name not in TWICE} == {}


def test_a_word_stands_once_in_the_glossary():
    words = [word for word, _, _ in glossary()]
    assert len(words) > 30
    assert sorted(set(words)) == sorted(words)


def test_no_module_and_no_class_bears_a_retired_word():
    retired = {old for _, _, words in glossary() for old in words if " " not in old}
    current = {word for word, _, _ in glossary()}
    names = {file.stem for file in PACKAGE.rglob("*.py")} | {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in classes()
    }
    assert {name for name in names if name in retired - current - LEAVING} == set()
