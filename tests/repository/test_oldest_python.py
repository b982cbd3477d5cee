"""Nothing is newer than Debian 12's Python 3.11.2, on which a bare Debian runs all of it.

What came with 3.12 and later, mypy finds (``python_version``), in src and scripts; not what a patch
release of 3.11 brought. Of public names and parameters these are all that 3.11.7 has and 3.11.2 has
not: the signatures of both standard libraries were compared.
"""

from __future__ import annotations

import ast
import re
from importlib.metadata import distributions

import pytest
from packaging.specifiers import SpecifierSet
from sources import PACKAGE, ROOT, called, nodes, trees

DEBIANS = "3.11.2"
PLACES = (PACKAGE, *(ROOT / each for each in ("scripts", "tests", "bench", "chaos", "hostile")))
WORDS = {
    "data_filter", "tar_filter", "fully_trusted_filter", "extraction_filter", "FilterError",
    "AbsoluteLinkError", "AbsolutePathError", "LinkOutsideDestinationError",
    "OutsideDestinationError", "SpecialFileError",
}  # fmt: skip
"""Of tarfile."""
PARAMETERS = {
    "extract": {"filter"},
    "extractall": {"filter"},
    "unpack_archive": {"filter"},
    "lseek": {"whence"},
}
MEMBER = {"name", "mtime", "mode", "linkname", "uid", "gid", "uname", "gname", "deep"}
"""What ``TarInfo.replace`` takes, all of it by name."""


def newer(node: ast.AST) -> str | None:
    """Name what of a node Debian 12's Python has not."""
    if isinstance(node, ast.Name | ast.Attribute):
        word = node.id if isinstance(node, ast.Name) else node.attr
        return word if word in WORDS else None
    if isinstance(node, ast.alias):
        return node.name if node.name in WORDS else None
    if not isinstance(node, ast.Call):
        return None
    name = called(node)
    given = {each.arg for each in node.keywords if each.arg}
    if name == "replace" and isinstance(node.func, ast.Attribute) and not node.args:
        return f"TarInfo.replace({', '.join(sorted(given))})" if given & MEMBER else None
    found = given & PARAMETERS.get(name, set())
    return f"{name}({found.pop()}=)" if found else None


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_no_program_asks_for_what_came_after_debians_python(place):
    found = {(file, newer(node)) for file, tree in trees(place) for node in nodes(tree)}
    assert {each for each in found if each[1]} == set()


def test_no_page_shows_what_came_after_debians_python():
    newer_words = re.compile(
        rf"\b({'|'.join(WORDS)})\b|\b(extract(all)?|unpack_archive)\(.*filter="
    )
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert [each for each in pages if newer_words.search(each.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("archive.extractall(place, filter='data')", "extractall(filter=)"),
        ("from tarfile import data_filter", "data_filter"),
        ("tarfile.FilterError", "FilterError"),
        ("member.replace(name='x', deep=False)", "TarInfo.replace(deep, name)"),
        ("archive.extractall(place)", None),
        ("moment.replace(microsecond=0)", None),
        ("dataclasses.replace(it, name='x')", None),
    ],
)
def test_what_is_newer_is_found(text, told):
    found = {newer(node) for node in ast.walk(ast.parse(text))} - {None}
    assert found == ({told} if told else set())


def test_no_package_that_is_pinned_wants_what_came_after_debians_python():
    pins = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    here = {each.name.lower().replace("_", "-"): each for each in distributions()}
    wanted = {
        name: here[name].metadata.get("Requires-Python") or "" for name in pins if name in here
    }
    assert len(wanted) > 100
    assert [name for name in wanted if DEBIANS not in SpecifierSet(wanted[name])] == []
