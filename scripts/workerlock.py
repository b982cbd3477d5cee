"""Writes the lock of what a worker installs: the part of ``requirements.lock`` that it needs.

Names, versions and hashes, and no address. A package is needed where ``pyproject.toml`` asks for
it without an extra, or where one that is needed does.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "src/poolhand/scheduler/joining/files/requirements.txt"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_VIA = re.compile(r"^    # {1,3}(?:via )?([A-Za-z0-9._-]+)", re.MULTILINE)


def worker_lock(root: Path = ROOT) -> str:
    """Return the lock of what a worker installs."""
    pins, project = _read(root)
    return _written(pins, _needed(pins, project["dependencies"]))


def extra_lock(extra: str, root: Path = ROOT) -> str:
    """Return the lock of what somebody installs for an extra, beside what a worker does."""
    pins, project = _read(root)
    asked = project["dependencies"], project["optional-dependencies"][extra]
    has = _needed(pins, asked[0])
    return _written(pins, _needed(pins, [*asked[0], *asked[1]]) - has)


def _read(root: Path) -> tuple[dict[str, str], dict[str, Any]]:
    pins = dict(_pins((root / "requirements.lock").read_text(encoding="utf-8")))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return pins, project


def _needed(pins: Mapping[str, str], asked: Iterable[str]) -> set[str]:
    """Return what these need, themselves included."""
    needed = {_normal(each) for each in asked}
    while more := {
        name for name, pin in pins.items() if name not in needed and needed & set(_asked_by(pin))
    }:
        needed |= more
    return needed


def _written(pins: Mapping[str, str], names: Iterable[str]) -> str:
    return "".join(_without_remarks(pins[name]) for name in sorted(names))


def _pins(lock: str) -> Iterator[tuple[str, str]]:
    for pin in re.findall(r"^[A-Za-z0-9].*\n(?:    .*\n?)*", lock, re.MULTILINE):
        yield _normal(pin), pin


def _asked_by(pin: str) -> list[str]:
    return [_normal(each) for each in _VIA.findall(pin)]


def _normal(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _without_remarks(pin: str) -> str:
    return "".join(f"{line}\n" for line in pin.splitlines() if not line.lstrip().startswith("#"))


if __name__ == "__main__":
    LOCK.write_text(worker_lock(), encoding="utf-8")
    sys.exit()
