"""What a pool gives of its own files: the list of what a worker installs, and texts with gaps."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from poolhand.scheduler.joining.own_wheel import OwnWheel


def worker_packages() -> str:
    """Return what a worker installs besides the wheel: names, versions, hashes, no address."""
    return file_text("requirements.txt")


def pinned_requirements(wheel: OwnWheel, lock: str) -> bytes:
    """Return what pip is to install, and nothing else: every package at one hash, and the wheel."""
    own = f"./{wheel.name} \\\n    --hash=sha256:{sha256(wheel.content).hexdigest()}\n"
    return lock.encode() + own.encode()


@cache
def file_text(name: str) -> str:
    """Return one of the files that a pool gives, or makes them of."""
    return (files("poolhand.scheduler.joining") / "files" / name).read_text(encoding="utf-8")
