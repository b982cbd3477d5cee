"""Lays our own wheel, and the list of what a worker installs with it, into a folder.

    .venv/bin/python scripts/vm/wheels.py FOLDER

writes the wheel of this checkout and ``requirements.txt``, as a pool gives them to `join.sh`; pip
then takes nothing else.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from poolhand.scheduler.joining.own_files import worker_packages
from poolhand.scheduler.joining.own_wheel import own_wheel


def lay(folder: Path) -> None:
    """Write wheel, lock, and a list of the wheel alone, into a folder."""
    wheel = own_wheel()
    (folder / wheel.name).write_bytes(wheel.content)
    (folder / "lock.txt").write_text(worker_packages(), encoding="utf-8")
    pinned = f"./{wheel.name} --hash=sha256:{sha256(wheel.content).hexdigest()}\n"
    text = worker_packages() + pinned
    (folder / "requirements.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    lay(Path(sys.argv[1]))
