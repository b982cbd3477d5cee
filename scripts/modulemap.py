"""The map of every package, from what its modules say of themselves: docs/modules.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "poolhand"
PAGE = ROOT / "docs" / "modules.md"
HEAD = """# Modules
<!-- Made by `make docs`; do not edit. -->

What each module of `src/poolhand` is for, in the first sentence of its own docstring. The layers
are in [ARCHITECTURE.md](../ARCHITECTURE.md), the words in [GLOSSARY.md](../GLOSSARY.md).
"""


def page() -> str:
    """Return docs/modules.md."""
    parts = [HEAD]
    for package in _packages():
        parts += [f"\n## {_dotted(package)}\n", _sentence(package / "__init__.py"), ""]
        parts += _table(package)
    return "\n".join(parts) + "\n"


def _packages() -> Iterator[Path]:
    inner = (each.parent for each in PACKAGE.rglob("__init__.py") if each.parent != PACKAGE)
    yield from sorted(inner)


def _dotted(package: Path) -> str:
    return ".".join(package.relative_to(PACKAGE).parts)


def _table(package: Path) -> Iterator[str]:
    modules = sorted(each for each in package.glob("*.py") if each.name != "__init__.py")
    if modules:
        yield "| module | what it is for |"
        yield "|---|---|"
    for each in modules:
        yield f"| `{each.stem}` | {_sentence(each)} |"


def _sentence(module: Path) -> str:
    """Return the first line of a module's docstring: ruff holds it to one sentence."""
    told = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return told.partition("\n")[0].replace("|", "\\|")
