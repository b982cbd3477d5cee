"""Assemble ``changes/`` into ``CHANGELOG.md`` under a version: ``scripts/changelog.py 0.2.0``.

A fragment is ``changes/<issue>.<topic>.<kind>.md``, or without a topic, and holds one sentence or
more for a user. Each becomes an item under its kind; then the fragments are removed.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
KINDS: Final = ("security", "added", "changed", "fixed", "removed")
"""In the order in which a user should read them."""
_ENDS: Final = (".", "!", "?", ":", ".)", "`.", '."')
"""How a sentence ends."""


def fragments(folder: Path) -> list[Path]:
    """Return the fragments; raises ValueError for a file whose name says no kind."""
    found = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    for path in found:
        if kind_of(path) not in KINDS:
            raise ValueError(f"{path.name}: name it <issue>.<topic>.<{'|'.join(KINDS)}>.md")
    return found


def kind_of(path: Path) -> str:
    """Return what kind of change a fragment tells."""
    return path.stem.rpartition(".")[2]


def section(version: str, day: str, paths: Iterable[Path]) -> str:
    """Return a version's part of the changelog."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        told[kind_of(path)] += items(path.read_text(encoding="utf-8"))
    parts = [f"## {version} ({day})\n"]
    parts += [
        f"### {kind.capitalize()}\n\n" + "\n".join(told[kind]) + "\n"
        for kind in KINDS
        if told[kind]
    ]
    return "\n".join(parts)


def items(text: str) -> list[str]:
    """Return a fragment's lines as items; a list in it stays one.

    A line goes on with the item before it until a sentence has ended with a line's end.
    """
    made: list[str] = []
    for line in filter(None, map(str.rstrip, text.strip().splitlines())):
        if line.startswith(("- ", "  ")):
            made.append(line)
        elif made and not made[-1].endswith(_ENDS):
            made[-1] += f" {line}"
        else:
            made.append(f"- {line}")
    return made


def put(page: str, part: str) -> str:
    """Return the changelog with a part before the newest one."""
    head, heading, older = page.partition("\n## ")
    return f"{head.rstrip()}\n\n{part}{heading}{older}"


def main(version: str) -> None:
    """Rewrite the changelog and remove what went into it."""
    found, page = fragments(ROOT / "changes"), ROOT / "CHANGELOG.md"
    part = section(version, datetime.now(UTC).date().isoformat(), found)
    page.write_text(put(page.read_text(encoding="utf-8"), part), encoding="utf-8")
    for path in found:
        path.unlink()
    print(f"{len(found)} changes are in {page.name} under {version}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("type the version: scripts/changelog.py 0.2.0")
    main(sys.argv[1])
