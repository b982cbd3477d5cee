"""Plant faults in a copy of the product and see its tests fail.

A property that nobody has broken is not known to be tested.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
TABLE: Final = ROOT / "tests" / "plants.toml"
FAST: Final = "not chain and not docker and not e2e"
FAILED: Final = 1
"""Pytest's exit status when tests ran and some failed; any other is no proof."""


class CannotPlant(Exception):
    """The text to be replaced does not stand there exactly once."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One fault: in ``file``, ``old`` becomes ``new``; ``tests`` are pytest's arguments."""

    id: str
    file: str
    old: str
    new: str
    tests: str

    def spoilt(self, root: Path = ROOT) -> str:
        """Return the file's text with the fault in it.

        Raises:
            CannotPlant: ``old`` does not stand there exactly once.
        """
        text = (root / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1 or self.old == self.new:
            times = text.count(self.old)
            raise CannotPlant(f"{self.id}: its text stands {times} times in {self.file}")
        return text.replace(self.old, self.new)


def plants(table: Path = TABLE) -> tuple[Plant, ...]:
    """Read the table of faults."""
    rows = tomllib.loads(table.read_text(encoding="utf-8")).get("plant", [])
    return tuple(Plant(**row) for row in rows)


def is_caught(plant: Plant) -> bool:
    """Run a fault's tests on a copy of the product that has it.

    Raises:
        CannotPlant: See ``Plant.spoilt``; or the tests did not run to their end.
    """
    with tempfile.TemporaryDirectory(prefix="poolhand-plant-") as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        target = Path(folder) / plant.file
        target.write_text(plant.spoilt(), encoding="utf-8")
        command = (sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "-m", FAST)
        done = subprocess.run(
            (*command, *shlex.split(plant.tests)),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, FAILED):
        raise CannotPlant(f"{plant.id}: its tests did not run:\n{done.stdout[-2000:]}{done.stderr}")
    return done.returncode == FAILED


def main(wanted: Iterable[str]) -> int:
    """Plant all faults, or those named; print a line for each."""
    chosen, wrong = set(wanted), 0
    for plant in plants():
        if chosen and plant.id not in chosen:
            continue
        try:
            told = "caught" if is_caught(plant) else "NOT CAUGHT"
        except CannotPlant as fault:
            told = f"CANNOT BE PLANTED: {fault}"
        wrong += told != "caught"
        print(f"{plant.id:<24} {plant.file}: {told}", flush=True)
    print(f"{wrong} of the faults were not caught" if wrong else "all were caught")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
