"""One name for one thing: in the glossary, on disk, and in the code."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import modulemap
import pytest
from sources import PACKAGE, ROOT, TESTS, files, nodes, trees

GLOSSARY = ROOT / "GLOSSARY.md"
ABBREVIATED = {"S": "Status", "T": "TaskStatus", "K": "MovementKind"}
"""One letter in the tables of a module, for an enumeration that they name in every line."""
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


@dataclass(frozen=True)
class Binding:
    """A name that a module binds by an assignment, with what it stands for."""

    name: str
    value: ast.expr

    @property
    def is_constant(self) -> bool:
        return self.name.isupper() and ast.unparse(self.value) != ABBREVIATED.get(self.name)

    @property
    def is_type(self) -> bool:
        """Whether it is an alias or a NewType, by its form; a type variable belongs to its users."""
        return bool(re.fullmatch(r"[A-Z]+[a-z]\w*", self.name))

    @property
    def is_number(self) -> bool:
        """Whether numbers alone make it up, with or without a unit."""
        leaves = [node for node in ast.walk(self.value) if isinstance(node, ast.Constant)]
        return bool(leaves) and all(
            isinstance(leaf.value, int | float) and not isinstance(leaf.value, bool)
            for leaf in leaves
        )


def is_type_variable(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in ("TypeVar", "ParamSpec")


def bindings(tree: ast.Module) -> Iterator[Binding]:
    """Yield what a module assigns to names of its own, but for type variables."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is None or is_type_variable(value):
            continue
        yield from (Binding(each.id, value) for each in targets if isinstance(each, ast.Name))


@cache
def bound() -> tuple[tuple[str, Binding], ...]:
    """Return all of the product; a database's older revisions stand as they were written."""
    return tuple(
        (file, each)
        for file, tree in trees(PACKAGE)
        if "/versions/" not in file
        for each in bindings(tree)
    )


def homes(kind: Callable[[Binding], bool]) -> dict[str, list[str]]:
    """Return which modules bind a public name of that kind."""
    found = defaultdict(list)
    for file, each in bound():
        if kind(each) and not each.name.startswith("_"):
            found[each.name].append(file)
    return found


def test_the_map_of_the_modules_is_fresh():
    assert modulemap.PAGE.read_text(encoding="utf-8") == modulemap.page(), "run `make docs`"


def test_a_class_has_its_name_for_itself():
    assert {name: found for name, found in classes().items() if len(found) > 1} == {}


def test_a_type_has_its_name_for_itself():
    """Be it a class, an alias or a NewType: a reader of one name thinks of one thing."""
    aliases = homes(lambda each: each.is_type)
    assert len(aliases) > 100
    twice = {
        name: [*found, *classes().get(name, ())]
        for name, found in aliases.items()
        if len(found) > 1 or name in classes()
    }
    assert twice == {}


def test_a_constant_has_its_name_for_itself():
    """Where a constant is one module's own affair, an underscore says so."""
    constants = homes(lambda each: each.is_constant)
    assert len(constants) > 500
    assert {name: found for name, found in constants.items() if len(found) > 1} == {}


MEASURES = frozenset(
    re.findall(
        r"[A-Z]+",
        """MOST LEAST LONGEST SHORTEST LARGEST SMALLEST WIDEST DEEPEST MAX MIN FEW MANY ENOUGH
        SEVERAL FIRST LAST PAUSE PAUSES TRY TRIES LOOK LOOKS LOOKBACK AT ONCE AGAIN STEP STEPS REST
        QUIET SOON LATE LATELY LATER MARGIN SECONDS TIMEOUT TIME LIMIT LENGTH GAP LAG PERIOD ROUND
        RANGE SHARE SLACK WINDOW DEPTH DEEP WIDTH TICK EVERY KEPT KNOWN TOLD SHOWN NAMED ROWS WAIT
        FOR OF ONE IN TURN FRESH NEAR LOW FREE BETWEEN""",
    )
)
"""Words that say how a number measures, and not what."""


def says_nothing(each: Binding) -> bool:
    return each.is_number and MEASURES.issuperset(each.name.strip("_").split("_"))


def test_a_number_says_what_it_counts():
    """The most of what, a pause between what: in a private name as well."""
    assert [(file, each.name) for file, each in bound() if says_nothing(each)] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("PAUSE: Final = 2.0", True),
        ("_MOST_TOLD = 3 * 1024", True),
        ("LOOK_AGAIN = Seconds(60)", True),
        ("PAUSE_BETWEEN_CLAIMS: Final = 2.0", False),
        ("MOST = ('a', 'b')", False),
    ],
)
def test_a_number_that_says_nothing_is_found(line, found):
    (each,) = bindings(ast.parse(line))
    assert says_nothing(each) == found


def test_a_word_stands_once_in_the_glossary():
    words = [word for word, _, _ in glossary()]
    assert len(words) > 30
    assert sorted(set(words)) == sorted(words)


def test_no_module_and_no_type_bears_a_retired_word():
    retired = {old for _, _, words in glossary() for old in words if " " not in old}
    current = {word for word, _, _ in glossary()}
    names = {file.stem for file in files(PACKAGE)} | {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        for name in (*classes(), *homes(lambda each: each.is_type))
    }
    assert {name for name in names if name in retired - current - LEAVING} == set()


OTHERWISE_MEANT = {
    "attempt": "current, too: a replicate as the scheduler sees it; and a try of a transaction",
    "core": "iExec's own scheduler is called so, and its SDK asks for it by that name",
    "notice": "SchedulerNotice is the hub's event",
    "agent": "user agents, and the agents of launchd",
    "driver": "of a database",
    "master": "a master key is one that seals other keys",
    "patience": "how long something is waited for; retired as what asks again",
}
"""Retired words that the field uses for something else, which is what names mean by them."""


def code_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of functions, their arguments, variables and attributes."""
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
            yield from (each.arg for each in (*node.args.args, *node.args.kwonlyargs))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_no_name_in_the_code_bears_a_retired_word():
    """Wherever ``notice`` and ``agent`` stand for the field's, they stand where the field is."""
    retired = {old for _, _, words in glossary() for old in words if " " not in old}
    found = {
        (file, name)
        for file, tree in trees(PACKAGE)
        for name in code_names(tree)
        if (retired - OTHERWISE_MEANT.keys()) & set(name.lower().split("_"))
    }
    assert found == set()


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
