"""What lies in the memory of a network's programs: read as root, from beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PIECE = 16 * 1024 * 1024
"""Bytes that are read at a time."""


def programs_of(home: Path) -> Iterator[tuple[int, str]]:
    """Yield process and command line of each program that was started with a network's folder."""
    mark = os.fsencode(home)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            words = (folder / "cmdline").read_bytes()
            told = (folder / "environ").read_bytes() + words
        except OSError:
            continue  # it ended
        if mark in told:
            yield int(folder.name), words.replace(b"\0", b" ").decode(errors="replace").strip()


def found_in_memory(process: int, secrets: tuple[bytes, ...]) -> list[bytes]:
    """Return those secrets that lie in what a process can write; none, where it ended."""
    found: set[bytes] = set()
    try:
        with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{process}/maps").read_text(encoding="utf-8").splitlines():
                place, rights = line.split(" ")[:2]
                if rights.startswith("rw"):
                    start, end = (int(each, 16) for each in place.split("-"))
                    found |= {each for each in secrets if _stands(memory, start, end, each)}
    except OSError:
        pass
    return sorted(found)


def _stands(memory: BinaryIO, start: int, end: int, secret: bytes) -> bool:
    tail = b""
    while start < end:
        try:
            memory.seek(start)
            piece = memory.read(min(PIECE, end - start))
        except (OSError, ValueError):
            return False  # a mapping that nobody reads, such as the kernel's
        if not piece:
            return False
        if secret in tail + piece:
            return True
        tail, start = piece[-len(secret) :], start + len(piece)
    return False
