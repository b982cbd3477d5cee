"""The files that pages load: those that all share, and those of a package, from nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

CONTENT_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
"""What a file is, by the ending of its name."""


@dataclass(frozen=True, slots=True)
class PageAsset:
    """A file: its bytes, what kind it is, and a mark that changes with it."""

    body: bytes
    kind: str
    mark: str


@cache
def assets_of(*packages: str) -> dict[str, PageAsset]:
    """Return every file that pages load, by its name; they are read once.

    Args:
        packages: Each with a folder ``static``; what all pages share comes besides.
    """
    found = {}
    for each in (__package__, *packages):
        for file in (files(each) / "static").iterdir():
            kind = CONTENT_TYPES.get(file.name.rpartition(".")[2])
            if kind is not None:
                body = file.read_bytes()
                found[file.name] = PageAsset(body, kind, sha256(body).hexdigest()[:12])
    return found
