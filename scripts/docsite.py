"""Build the documentation site into ``dist/site``: every page of the repository, nothing foreign.

The pages are laid out as they are in the repository, so that a link leads to the same place on the
site; files that they link to lie beside them. `docs/site/pages.toml` says which page stands where.
A link or an anchor that leads nowhere, and a page without a place, end the build.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import changelog

from poolhand.devnet.artifacts import DEFAULT_CACHE, Package, keep

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / "dist" / "site"
OURS: Final = ROOT / "docs" / "site"
MERMAID: Final = Package(
    "@mermaid-js/tiny",
    "12.0.0",
    "sha512-ZW9YXy+3tSLPscBT+NnQO0K0qYH7BGES5nExl6Snoygey7xd2N0cO7Nq30N5k/u7gIeYoCrldyVy+VTCMWrNDQ==",
    ("dist/mermaid.tiny.js", "LICENSE*"),
)
"""Draws the diagrams, from the site's own origin: flow charts, sequences, states."""
BESIDE: Final = "beside"
DESCRIBED: Final = (
    "__init__.py",
    "appimage",
    "client",
    "domain/__init__.py",
    "domain/errors.py",
    "requester/__init__.py",
    "requester/watching.py",
)
"""What docs/reference/python.md is read from; the whole product would take three times as long."""
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)[^`](?:.*?[^`])?\1(?!`)", re.DOTALL)
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_FOREIGN = re.compile(r"[a-z]+:")


class SiteNotBuilt(Exception):
    """The site is not whole; the message says where."""


@dataclass(frozen=True, slots=True)
class SiteSection:
    """A part of the site.

    Attributes:
        title: As its tab shows it.
        pages: Names from the root of the repository, in order.
    """

    title: str
    pages: tuple[str, ...]


Sections: TypeAlias = tuple[SiteSection, ...]
PageText: TypeAlias = Callable[[str], str]


def sections() -> Sections:
    """Return what the site shows, in order.

    Raises:
        SiteNotBuilt: A page has no place, or two.
    """
    told = tomllib.loads((OURS / "pages.toml").read_text(encoding="utf-8"))["section"]
    made = tuple(SiteSection(each["title"], tuple(_found(each["pages"]))) for each in told)
    placed = [page for each in made for page in each.pages]
    twice = {page for page in placed if placed.count(page) > 1}
    if twice or set(placed) != all_pages():
        wrong = sorted(twice | (set(placed) ^ all_pages()))
        raise SiteNotBuilt(f"one place in docs/site/pages.toml is needed for each of {wrong}")
    return made


def all_pages() -> set[str]:
    """Return the pages that people read, by their names from the root."""
    beside = (*ROOT.glob("apps/*/*.md"), *ROOT.glob("examples/*.md"))
    folders = (ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), beside)
    return {each.relative_to(ROOT).as_posix() for some in folders for each in some}


def _found(patterns: list[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from sorted(each.relative_to(ROOT).as_posix() for each in ROOT.glob(pattern))


def title(text: str) -> str:
    """Return the title of a page, without the marks of its code."""
    found = _TITLE.search(text)
    if found is None:
        raise SiteNotBuilt(f"a page begins with no title: {text[:60]!r}")
    return found[1].replace("`", "")


def links(text: str) -> set[str]:
    """Return where the links of a page lead, without anchors and foreign ones."""
    bare = _CODE.sub("", _FENCE.sub("", text))
    return {each for each in _LINK.findall(bare) if not _FOREIGN.match(each)}


def lay_out(stage: Path, placed: Sections, read: PageText) -> None:
    """Put what the site is made of into a folder: pages, linked files, settings."""
    pages = stage / "pages"
    for name in (page for section in placed for page in section.pages):
        text = read(name)
        _write(pages / name, text)
        for link in links(text):
            _bring(((ROOT / name).parent / link).resolve(), stage)
    assets = pages / "assets"
    assets.mkdir()
    (stage / BESIDE).mkdir(exist_ok=True)
    for name in ("site.css", "site.js"):
        shutil.copy(OURS / name, assets)
    shutil.copy(keep(DEFAULT_CACHE, MERMAID) / "dist" / "mermaid.tiny.js", assets)
    for name in DESCRIBED:
        _copy(ROOT / "src" / "poolhand" / name, stage / "src" / "poolhand" / name)
    (stage / "zensical.toml").write_text(_settings(placed, read), encoding="utf-8")


def page_text(name: str) -> str:
    """Return a page as the site shows it: the changelog tells what is to come, too."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name != "CHANGELOG.md":
        return text
    waiting = changelog.fragments(ROOT / "changes")
    return changelog.put(text, changelog.section("Next version", "not yet released", waiting))


def _bring(linked: Path, stage: Path) -> None:
    """Copy a linked file, if it is no page, and list a linked folder.

    Files that no page shows are put beside the built pages, too: the build leaves programs out.
    """
    if not linked.is_relative_to(ROOT) or not linked.exists():
        return  # the build tells of it, with its line
    name = linked.relative_to(ROOT).as_posix()
    target = stage / "pages" / name
    if linked.is_dir():
        listed = "\n".join(f"- `{each}`" for each in _files(name))
        _write(target / "index.md", f"# {name}\n\nIn the repository:\n\n{listed}\n")
    elif linked.suffix != ".md":
        _copy(linked, target)
        _copy(linked, stage / BESIDE / name)


def _copy(thing: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if thing.is_dir():
        shutil.copytree(thing, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(thing, target)


def _files(folder: str) -> list[str]:
    command = ["git", "ls-files", "-z", "--", folder]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [each for each in listed.split("\0") if each]


def _settings(placed: Sections, read: PageText) -> str:
    base = (OURS / "zensical.toml").read_text(encoding="utf-8")
    nav = [
        {section.title: [{title(read(page)): page} for page in section.pages]} for section in placed
    ]
    entries = ", ".join(_inline(each) for each in nav)
    return base.replace("[project]\n", f"[project]\nnav = [{entries}]\n", 1)


def _inline(value: object) -> str:
    """Return a value as TOML has it in one line; texts are written as in JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def build(out: Path = OUT, placed: Sections = (), read: PageText = page_text) -> None:
    """Build the site into a folder, in place of what was there.

    Args:
        out: The folder.
        placed: What it shows; nothing: all that there is.
        read: Returns the text of a page.

    Raises:
        SiteNotBuilt: A page, a link or an anchor is wrong; nothing of the site was replaced.
    """
    with tempfile.TemporaryDirectory(prefix="poolhand-site-") as folder:
        stage = Path(folder)
        lay_out(stage, placed or sections(), read)
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
        done = subprocess.run(command, cwd=stage, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise SiteNotBuilt(done.stdout + done.stderr)
        shutil.copytree(stage / BESIDE, stage / "site", dirs_exist_ok=True)
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(stage / "site", out)


def main() -> int:
    """Build it; the exit status is 1 where something is wrong."""
    try:
        build()
    except SiteNotBuilt as fault:
        print(fault, file=sys.stderr)
        return 1
    print(f"built: {OUT.relative_to(ROOT)}/index.html", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
