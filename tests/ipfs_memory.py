"""An IPFS node in memory that answers Kubo's RPC; it keeps the suite that a real node keeps.

What it is told to do wrong it does: refuse, be full, lose blocks, break off, name another file.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from dag_writer import written
from poolhand.domain.content_id import ContentId

RPC = "http://node.example:5001"


def refused(message: str, status: int = 500) -> httpx.Response:
    return httpx.Response(status, json={"Message": message, "Code": 0, "Type": "error"})


@dataclass
class MemoryNode:
    """Blocks by address, names with the address each has, and what is pinned."""

    blocks: dict[ContentId, bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    pins: set[str] = field(default_factory=set)
    authorization: str = ""
    full: bool = False
    gone: int = 0
    """So many files break off on their way in."""
    names_another: bool = False
    calls: list[str] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.removeprefix("/api/v0/")
        self.calls.append(method)
        if self.authorization and request.headers.get("authorization") != self.authorization:
            return httpx.Response(403, text="403 Forbidden")
        args = request.url.params.get_list("arg")
        if method == "add":
            return await self.add(request)
        return getattr(self, method.replace("/", "_"))(*args)

    async def add(self, request: httpx.Request) -> httpx.Response:
        body = b"".join([piece async for piece in request.stream])
        if self.gone:
            self.gone -= 1
            raise httpx.ReadError("gone")
        if self.full:
            return refused("write /data/blocks: no space left on device")
        boundary = request.headers["content-type"].partition("boundary=")[2].encode()
        content = body.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n--" + boundary + b"--\r\n")
        root, blocks = written(b"another" if self.names_another else content, 256 * 1024, 174)
        self.blocks |= blocks
        self.pins.add(str(root))
        told = {"Name": "file", "Hash": str(root), "Size": str(len(content))}
        return httpx.Response(200, text=json.dumps(told) + "\n")

    def version(self) -> httpx.Response:
        return httpx.Response(200, json={"Version": "0.0.0"})

    def block_get(self, content: str) -> httpx.Response:
        found = self.blocks.get(ContentId.parse(content))
        return httpx.Response(200, content=found) if found else refused("block was not found")

    def pin_rm(self, content: str) -> httpx.Response:
        if content not in self.pins:
            return refused("not pinned or pinned indirectly")
        self.pins.remove(content)
        return httpx.Response(200, json={"Pins": [content]})

    def files_mkdir(self, _folder: str) -> httpx.Response:
        return httpx.Response(200)

    def files_cp(self, content: str, name: str) -> httpx.Response:
        if name in self.names:
            return refused("directory already has entry by that name")
        self.names[name] = content
        return httpx.Response(200)

    def files_rm(self, name: str) -> httpx.Response:
        if name not in self.names:
            return refused("file does not exist")
        del self.names[name]
        return httpx.Response(200)

    def files_stat(self, name: str) -> httpx.Response:
        if name not in self.names:
            return refused("file does not exist")
        return httpx.Response(200, json={"Hash": self.names[name].removeprefix("/ipfs/")})

    def files_ls(self, folder: str) -> httpx.Response:
        below = [each.removeprefix(folder + "/") for each in self.names if each.startswith(folder)]
        entries = [{"Name": name} for name in dict.fromkeys(each.split("/")[0] for each in below)]
        return httpx.Response(200, json={"Entries": entries or None})

    def held(self) -> set[str]:
        """Return what collecting garbage leaves: what has a name or a pin."""
        return {each.removeprefix("/ipfs/") for each in self.names.values()} | self.pins


@contextmanager
def served_node() -> Iterator[tuple[MemoryNode, str]]:
    """Serve a node on loopback; yields it and its URL."""
    node = MemoryNode()

    class Rpc(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = httpx.Request("POST", f"http://node{self.path}", headers=dict(self.headers))
            asked = httpx.Request("POST", asked.url, headers=asked.headers, content=self.body())
            told = asyncio.run(node.answer(asked))
            self.send_response(told.status_code)
            self.send_header("Content-Length", str(len(told.content)))
            self.end_headers()
            self.wfile.write(told.content)

        def body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Rpc)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield node, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
