"""The files that pages load: those that all share, and those of a package, from nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CONTENT_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
"""What a file is, by the ending of its name."""
OWN_FILES_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Nothing is loaded but our own files, nothing that stands in the page is run, nobody frames it."""


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


def file_route(path: str, *packages: str) -> Route:
    """Return the endpoint of the files of ``assets_of``; ``path`` names one by ``{name}``."""

    async def asset(request: Request) -> Response:
        found = assets_of(*packages).get(request.path_params["name"])
        if found is None:
            return Response("there is no such file", 404, OWN_FILES_HEADERS, "text/plain")
        return Response(found.body, 200, OWN_FILES_HEADERS, found.kind)

    return Route(path, asset)
