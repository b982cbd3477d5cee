"""``make bench``: measures everything, or what ``ONLY=placement,idle`` names, one after the other.

Prints a table and writes ``bench/latest.json``, in which measurements that were not run keep what
they found before. ``SIZE=0.1`` measures a tenth of everything, to try a change; such figures are
printed and not kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from bench import page
from bench.frame import Keys, merged
from bench.registry import MEASUREMENTS

ROOT = Path(__file__).parent.parent
LATEST = Path(__file__).parent / "latest.json"
LONGEST = 3600
"""Seconds after which a measurement is ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    failed, found = [], Keys()
    for name in asked.only:
        keys = run(name, asked.size)
        if keys is None:
            failed.append(name)
        found = merged(found, keys or {})
        if asked.size == 1:
            keep(keys or {})
    show(found, asked.only)
    if failed:
        print(f"these gave no figures: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Poolhand.")
    parser.add_argument("--only", type=chosen, default=tuple(MEASUREMENTS), metavar="NAME,…")
    parser.add_argument("--size", type=float, default=1.0, help="share of the full size")
    return parser


def chosen(text: str) -> tuple[str, ...]:
    """Read names of measurements, in the order in which they run."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if strange := names - set(MEASUREMENTS):
        known = ", ".join(MEASUREMENTS)
        raise argparse.ArgumentTypeError(f"no measurement {sorted(strange)}: there are {known}")
    return tuple(name for name in MEASUREMENTS if name in names)


def run(name: str, size: float) -> Keys | None:
    """Measure one thing in a process of its own; None where it gives no figures."""
    told = MEASUREMENTS[name]
    print(f"{name}: {told.told}", file=sys.stderr, flush=True)
    if find_spec(f"bench.{name}") is None:
        return None
    words = [sys.executable, "-m", "bench.child", name, str(size)]
    if told.needs_engine:
        words.insert(0, str(ROOT / "scripts" / "with-engine"))
    ended = subprocess.run(  # noqa: PLW1510 - its exit code is looked at
        words, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LONGEST
    )
    lines = ended.stdout.splitlines()
    return json.loads(lines[-1]) if ended.returncode == 0 and lines else None


def keep(keys: Keys, file: Path = LATEST) -> None:
    """Put figures into a file beside those that it has."""
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps(merged(before, keys), indent=2) + "\n", encoding="utf-8")


def show(keys: Keys, names: Collection[str]) -> None:
    console = Console()
    console.print(page.figures(keys, names))
    if (table := page.overhead(keys)) is not None:
        console.print(table)
    console.print(page.slowness(keys, names))


if __name__ == "__main__":
    sys.exit(main())
