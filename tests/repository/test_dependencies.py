"""The dependencies are declared, pinned and explained, and nothing names where they come from."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sources import ROOT, SRC, TESTS, files, nodes, parsed

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

NAME = re.compile(r"^[A-Za-z0-9._-]+")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==[^ ]+ \\$", re.MULTILINE)
LINE = re.compile(r"^- `([^`]+)`[^:]*: \S", re.MULTILINE)
# In pieces, so that this file does not name them either.
PLACES = (
    *("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "npmjs" + r"\.org"),
    *("deb" + r"\.debian", "snapshot" + r"\.debian", "index" + "-url"),
    *('"resolved"' + ': *"http', r"(?<![\w./-])/(?:wo" + "rk|fa" + "rm)/"),
)
FORBIDDEN = re.compile("|".join(PLACES).encode())
OTHERWISE = {
    "Crypto": "pycryptodome",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}
"""What is not called as it is imported."""
PREPARING = ("setup", "engine.py", "images.py", "emulator.py", "slurm_cluster.py")
"""Scripts that install what is missing."""
ALONG = {"arch-test", "libatomic1", "python3"}
"""Debian packages that are told of on another's line, or have been there since before set-up."""
HARMLESS = b"--no-emit-index" + b"-url"
"""The option that keeps an index out of the lock."""


def normal(requirement: str) -> str:
    """Return a requirement's name as packaging standards spell it."""
    named = NAME.match(requirement)
    assert named, requirement
    return re.sub(r"[-_.]+", "-", named[0]).lower()


def declared() -> set[str]:
    project = PYPROJECT["project"]
    extras = (line for lines in project["optional-dependencies"].values() for line in lines)
    build = PYPROJECT["build-system"]["requires"]
    return {normal(line) for line in (*project["dependencies"], *extras, *build)}


def section(title: str) -> set[str]:
    """Return the names with a line under a heading of docs/dependencies.md."""
    text = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return set(LINE.findall(text))


def imported(modules: Iterable[Path]) -> Iterator[str]:
    for file in modules:
        for node in nodes(parsed(file)):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


def committed() -> list[Path]:
    """Return the files that git has, or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def names_a_place(text: bytes) -> bool:
    return FORBIDDEN.search(text.replace(HARMLESS, b"")) is not None


def test_every_declared_dependency_is_pinned() -> None:
    assert declared() <= set(PIN.findall(LOCK))


def test_every_pin_has_a_hash() -> None:
    pins = [block for block in re.split(r"\n(?=[a-z0-9])", LOCK) if "==" in block]
    assert len(pins) == len(PIN.findall(LOCK))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", block) for block in pins)


def test_the_lock_holds_no_address_and_no_path() -> None:
    assert not re.search(r"https?:|file://|git\+|(?<![\w.])/\w+/|--find-links", LOCK)


def test_every_python_dependency_is_explained_and_nothing_else() -> None:
    assert section("Python packages") == declared()


def test_every_npm_package_that_the_devnet_fetches_is_explained() -> None:
    source = (ROOT / "src" / "poolhand" / "devnet" / "artifacts.py").read_text(encoding="utf-8")
    fetched = set(re.findall(r'"(@[a-z-]+/[a-z0-9-]+|rlc-faucet-contract)"', source))
    assert fetched, "the devnet's package names moved: look for them there"
    assert fetched <= section("npm packages")


def test_every_debian_package_that_set_up_installs_is_explained() -> None:
    source = "".join((ROOT / "scripts" / name).read_text() for name in PREPARING)
    in_shell = re.findall(r'apt-install "[^"]+" ([a-z0-9. -]+?)(?: \|\||$)', source, re.MULTILINE)
    in_python = re.findall(r'"apt-install"\),\s+"[^"]+",\s+([a-z0-9.",\s-]+)\]', source)
    installed = {name for words in (*in_shell, *in_python) for name in re.split(r'[",\s]+', words)}
    assert installed - ALONG - {""} == section("Debian packages")


def test_every_debian_package_that_builds_the_machine_is_explained() -> None:
    source = (ROOT / "scripts" / "vm" / "build").read_text(encoding="utf-8")
    (installed,) = re.findall(r'apt-install "[^"]+" ([a-z0-9 -]+)$', source, re.MULTILINE)
    assert set(installed.split()) == section("Debian packages for the virtual machine")


def test_every_debian_package_that_boots_the_machine_is_explained() -> None:
    source = (ROOT / "scripts" / "vm" / "journey.py").read_text(encoding="utf-8")
    (tools,) = re.findall(r"^TOOLS: Final = \{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    installed = set(re.findall(r'": "([a-z0-9-]+)",', tools))
    assert installed == section("Debian packages for the virtual machine's journey")


def test_the_product_imports_only_what_is_declared() -> None:
    foreign = set(imported(files(SRC))) - sys.stdlib_module_names - {"poolhand"}
    named = {OTHERWISE.get(name, name) for name in foreign}
    assert set(map(normal, named)) <= declared()


def test_the_product_needs_nothing_that_it_does_not_import() -> None:
    foreign = imported(files(SRC))
    named = {normal(OTHERWISE.get(name, name)) for name in foreign}
    assert {normal(line) for line in PYPROJECT["project"]["dependencies"]} <= named


def test_the_tests_import_only_what_is_declared_or_lies_beside_them() -> None:
    beside = (*files(TESTS), *(ROOT / "scripts").iterdir())
    folders = {part for file in beside for part in (file.stem, file.parent.name)}
    foreign = set(imported(files(TESTS))) - sys.stdlib_module_names
    ours = {"poolhand", "chaos", "bench", "hostile"}
    named = {OTHERWISE.get(name, name) for name in foreign - folders - ours}
    assert set(map(normal, named)) <= declared()


@pytest.mark.parametrize(
    "line",
    [
        '"resolved"' + ': "http' + 's://example.invalid/a.tgz"',
        "pip install --index" + "-url x",
        "see /wo" + "rk/shared",
        "https://registry" + ".npmjs.invalid",
    ],
)
def test_a_line_that_names_a_place_is_recognised(line: str) -> None:
    assert names_a_place(line.encode())


def test_no_file_names_a_package_index_or_a_machine_path() -> None:
    naming = [file for file in committed() if names_a_place(file.read_bytes())]
    assert [str(file.relative_to(ROOT)) for file in naming] == []
