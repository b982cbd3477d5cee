"""A devnet's IPFS: files that are added by Kubo's RPC lie below ``/ipfs`` of its file server.

iExec's SDK adds bulks of datasets, and its users encrypted files, to a node, and reads them by a
gateway; here both are the one server, and nobody else's peers have what is added.

Source: services-api.md 6; Kubo RPC API v0, ``add``.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from poolhand.domain.content_id import MOST_PIECE, MOST_PIECES, address_of_file
from poolhand.domain.errors import Malformed

MOST_ADDED: Final = MOST_PIECE * MOST_PIECES
"""Bytes of one file, and of a request but for its form."""
_FORM: Final = 64 * 1024


def file_server(folder: Path) -> Starlette:
    """Serve a folder, so that datasets and input files have a URL, and take files of IPFS."""
    (folder / "ipfs").mkdir(exist_ok=True)

    async def add(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_ADDED + _FORM:
                return PlainTextResponse("the file is too large for a devnet", 413)
        try:
            content = file_of_form(bytes(body), request.headers.get("content-type", ""))
            name = str(address_of_file(content))
        except (Malformed, ValueError) as fault:
            return PlainTextResponse(str(fault), 400)
        await asyncio.to_thread(_keep, folder / "ipfs" / name, content)
        told = {"Name": name, "Hash": name, "Size": str(len(content))}
        return Response(json.dumps(told) + "\n", media_type="application/json")

    return Starlette(
        routes=[
            Route("/api/v0/add", add, methods=["POST"]),
            Mount("/", StaticFiles(directory=folder)),
        ]
    )


def file_of_form(body: bytes, kind: str) -> bytes:
    """Return the one file of a ``multipart/form-data`` body.

    Raises:
        Malformed: It has none, or more.
    """
    boundary = kind.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary) if boundary else []
    files = [each for each in parts[1:-1] if b"filename" in each.partition(b"\r\n\r\n")[0]]
    if len(files) != 1 or not parts[-1].startswith(b"--"):
        raise Malformed("a form with one file is expected, as Kubo's `add` takes it")
    return files[0].partition(b"\r\n\r\n")[2]


def _keep(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    draft.write_bytes(content)
    draft.replace(path)
