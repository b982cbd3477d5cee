"""Run what takes too long for every change, and write one page of what came of it: `make nightly`.

    nightly.py                     everything, one part after the other: a night on two cores
    nightly.py --only lives,bench  some of it
    nightly.py --list              which parts there are

A part that fails ends no other. The page is `.poolhand/nightly/page.md`, with the end of what each
failed part printed; all that a part printed is in `.poolhand/nightly/NAME.log`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from commands import say

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / ".poolhand" / "nightly"
SEED: Final = "POOLHAND_LIFE_SEED"
TAIL: Final = 40
"""Lines of a failed part that the page has."""
_ENGINE: Final = ("scripts/with-engine",)
_PYTHON: Final = (".venv/bin/python",)
_TESTS: Final = (".venv/bin/pytest", "-q", "-p", "no:cacheprovider", "-o", "timeout=0")


@dataclass(frozen=True, slots=True)
class Part:
    """A command from the root of the repository; ``asks`` goes into its environment."""

    told: str
    words: tuple[str, ...]
    asks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a part: exit code, seconds, and the end of what it printed."""

    code: int
    seconds: float
    tail: str


PARTS: Final[Mapping[str, Part]] = {
    "tests": Part("every test", (*_ENGINE, *_TESTS, "--numprocesses", "auto")),
    "examples": Part(
        "properties and machines, with twenty times the examples",
        (*_TESTS, "--numprocesses", "auto", "-m", "not docker and not e2e and not chain",
         "tests/domain", "tests/wire", "tests/machines", "tests/placement", "tests/contract"),
        {"POOLHAND_EXAMPLES_TIMES": "20"},
    ),
    "lives": Part(
        "lives of the simulated network",
        (*_TESTS, "tests/network/test_any_life.py"),
        {"POOLHAND_LIFE_EXAMPLES": "1000", "POOLHAND_LIFE_STEPS": "80"},
    ),
    "network": Part(
        "the simulated network: crashes at every effect, take-overs, any text",
        (*_TESTS, "--numprocesses", "auto", "tests/network"),
        {"POOLHAND_EXAMPLES_TIMES": "20"},
    ),
    "plants": Part("faults that are planted on purpose, each to be caught", ("scripts/plants",)),
    "chaos": Part(
        "the whole chaos matrix, on a real network",
        (*_ENGINE, *_PYTHON, "-m", "chaos", "--lives", "0"),
    ),
    "bench": Part("every figure of the bench", (*_PYTHON, "-m", "bench")),
}  # fmt: skip
"""In the order in which they run: the quick ones first."""


def run(part: Part, log: Path, seed: int) -> Outcome:
    """Run a part to its end, whatever that is."""
    began = time.monotonic()
    environment = {**os.environ, **part.asks, SEED: str(seed)}
    with log.open("wb") as printed:
        ended = subprocess.run(
            part.words,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            check=False,
        )
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return Outcome(ended.returncode, time.monotonic() - began, "\n".join(lines[-TAIL:]))


def page(found: Mapping[str, Outcome], parts: Mapping[str, Part], head: Sequence[str]) -> str:
    """Write what came of the parts so far: those that failed are named first."""
    failed = [name for name, told in found.items() if told.code]
    left = [name for name in parts if name not in found]
    verdict = f"failed: {', '.join(failed)}" if failed else "nothing failed"
    to_come = f"; to come: {', '.join(left)}" if left else ""
    lines = ["# Nightly run", "", *head, "", f"**{verdict}**{to_come}"]
    lines += ["", "| part | what it is | exit code | minutes |", "| --- | --- | --- | --- |"]
    for name, told in found.items():
        lines.append(f"| {name} | {parts[name].told} | {told.code} | {told.seconds / 60:.1f} |")
    for name, told in found.items():
        lines += ["", f"## {name}: " + ("failed" if told.code else "good"), ""]
        shown = told.tail if told.code else (told.tail.splitlines() or [""])[-1]
        lines += ["```", shown.replace("```", "'''"), "```"]
    return "\n".join(lines) + "\n"


def play(parts: Mapping[str, Part], folder: Path, seed: int, head: Sequence[str]) -> int:
    """Run parts one after the other; the page is there from the first on.

    Returns:
        How many failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Outcome] = {}
    for name, part in parts.items():
        say(f"{name}: {part.told}")
        found[name] = run(part, folder / f"{name}.log", seed)
        (folder / "page.md").write_text(page(found, parts, head), encoding="utf-8")
    return sum(bool(told.code) for told in found.values())


def chosen(text: str) -> tuple[str, ...]:
    """Read names of parts, in the order in which they run."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if strange := names - set(PARTS):
        raise argparse.ArgumentTypeError(f"no part {sorted(strange)}: there are {', '.join(PARTS)}")
    return tuple(name for name in PARTS if name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; 1 where a part failed."""
    told = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(prog="make nightly", description=told)
    parser.add_argument("--only", type=chosen, default=tuple(PARTS), metavar="NAME,…")
    parser.add_argument("--seed", type=int, help="of the lives; the page of a run tells its own")
    parser.add_argument("--list", action="store_true", help="tell the parts, and run nothing")
    asked = parser.parse_args(arguments)
    if asked.list:
        print("\n".join(f"{name:10}{part.told}" for name, part in PARTS.items()))
        return 0
    seed = secrets.randbelow(2**32 - 1) + 1 if asked.seed is None else asked.seed
    commit = ("git", "describe", "--always", "--dirty")
    at = subprocess.run(commit, cwd=ROOT, capture_output=True, text=True, check=False)
    head = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {at.stdout.strip() or 'unknown'}, "
        f"{os.cpu_count()} cores, seed {seed}: `make nightly SEED={seed}` lives the same lives."
    )
    failed = play({name: PARTS[name] for name in asked.only}, FOLDER, seed, [head])
    say(f"{FOLDER / 'page.md'}: {failed} of {len(asked.only)} parts failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
