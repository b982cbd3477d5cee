"""One name for one thing: in the glossary, on disk, and in the code."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import modulemap
import pytest
from sources import PACKAGE, ROOT, TESTS, files, nodes, trees

GLOSSARY = ROOT / "GLOSSARY.md"
SAID_AND_TAKEN = "a message on the wire, and the event that it is to the machine which hears of it"
TWICE = dict.fromkeys(
    ("Acknowledged", "Activated", "Offer", "Reported", "RevealAsked", "UploadAsked"), SAID_AND_TAKEN
)
TWICE["Room"] = "of results on a disk, and for replicates on a worker"
"""Names that stand twice in the product, and why."""
LEAVING: set[str] = set()
"""Retired words whose modules or classes have not been renamed yet."""


def glossary() -> Iterator[tuple[str, str, list[str]]]:
    """Yield word, meaning and retired words of every row."""
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[0] not in {"word", "---"}:
            yield cells[0], cells[1], [each.strip() for each in cells[2].split(",") if each.strip()]


@cache
def classes() -> dict[str, list[str]]:
    homes = defaultdict(list)
    for file, tree in trees(PACKAGE):
        for node in nodes(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(file)
    return homes


def test_the_map_of_the_modules_is_fresh():
    assert modulemap.PAGE.read_text(encoding="utf-8") == modulemap.page(), "run `make docs`"


def test_a_class_has_its_name_for_itself():
    twice = {name: found for name, found in classes().items() if len(found) > 1}
    assert twice.keys() == TWICE.keys(), {name: twice.get(name) for name in twice.keys() ^ TWICE}


def test_a_word_stands_once_in_the_glossary():
    words = [word for word, _, _ in glossary()]
    assert len(words) > 30
    assert sorted(set(words)) == sorted(words)


def test_no_module_and_no_class_bears_a_retired_word():
    retired = {old for _, _, words in glossary() for old in words if " " not in old}
    current = {word for word, _, _ in glossary()}
    names = {file.stem for file in files(PACKAGE)} | {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in classes()
    }
    assert {name for name in names if name in retired - current - LEAVING} == set()


def test_no_two_files_of_the_tests_share_a_name():
    """They are modules without packages: of two with one name, one is never collected."""
    names = Counter(
        file.name for file in files(TESTS) if file.name not in ("conftest.py", "__init__.py")
    )
    assert [name for name, times in names.items() if times > 1] == []


RETIRED = re.compile(r"\b(?:mend(?:s|ed|ing)?|for want of|beyond recall)\b", re.IGNORECASE)
"""Words that a reader of today stumbles over: fix, because there is no, for good."""
SAID_IN = ("*.py", "*.html", "*.js", "*.sh", "*.ps1")


def sentences() -> list[Path]:
    """Return the files with what users read; decisions and releases stand as they were written."""
    told = [file for kind in SAID_IN for file in PACKAGE.rglob(kind)]
    pages = [page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "adr"]
    papers = [page for page in ROOT.glob("*.md") if page.name != "CHANGELOG.md"]
    return [*told, *pages, *papers, *(ROOT / "changes").glob("*.md")]


def test_sentences_are_in_plain_present_day_english():
    odd = [
        f"{file.relative_to(ROOT)}: {found[0]}"
        for file in sentences()
        if (found := RETIRED.search(file.read_text(encoding="utf-8")))
    ]
    assert odd == []


@pytest.mark.parametrize("said", ["mend it", "ended for want of memory", "over, beyond recall"])
def test_an_odd_word_is_found(said):
    assert RETIRED.search(said)
    assert not RETIRED.search("a recommended amendment")
