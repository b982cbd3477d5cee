"""The files that pages load: one style, and a library for live pages, from this package alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

KINDS: Final = {
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
def page_assets() -> dict[str, PageAsset]:
    """Return every file by its name; they are read once."""
    found = {}
    for file in (files("poolhand.market.pages") / "static").iterdir():
        kind = KINDS.get(file.name.rpartition(".")[2])
        if kind is not None:
            body = file.read_bytes()
            found[file.name] = PageAsset(body, kind, sha256(body).hexdigest()[:12])
    return found


def asset_place(name: str) -> str:
    """Return the address of a file; it changes with the file, so that browsers keep it for good."""
    return f"/pages/static/{name}?v={page_assets()[name].mark}"
