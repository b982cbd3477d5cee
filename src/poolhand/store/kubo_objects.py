"""Files at an IPFS node, by Kubo's RPC.

The node is given a file as one stream and names its address. Before anybody relies on that, the
file is read back from it block by block, each checked against its hash, so that neither a node
that is broken nor one that lies puts a wrong address on chain. What is kept has a name in the
node's own file system (MFS) as well, which holds it against the node's collection of garbage, once
for each result that has the same content; removing the name lets go of it.

Source: Kubo RPC API v0; js-ipfs answers alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from poolhand.domain.content_id import (
    MOST_BLOCK,
    ContentId,
    FalseBlock,
    FileNode,
    UnfitContentId,
    read_block,
)
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.ports.storage import StorageDown, StorageFull, StorageUnfit
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, WebAnswer, ask
from poolhand.web.trusted import trusted

IPFS_PREFIX: Final = "/ipfs/"
MFS_FOLDER: Final = "/poolhand"
"""Folder of the node's own file system in which names are."""
LONGEST_ADD: Final = 3600.0
"""Seconds for a file to go to the node."""
PAUSES_OF_ADDING: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between tries while the node does not answer."""
_READ_AT_ONCE: Final = 256 * 1024
_FEWEST_BLOCKS: Final = 64
_LEAST_BLOCK: Final = 1024
"""Bytes that a block holds on average, of a file in very many of them."""
_SHORT: Final = Caps(64 * 1024**2, 60)
_BLOCK: Final = Caps(MOST_BLOCK, 60)
_ADD: Final = Caps(1024**2, LONGEST_ADD)
_FULL: Final = ("no space left", "enospc", "quota")
_ABSENT: Final = ("does not exist", "not found", "no link")


class KuboObjects:
    """Implements ``ports.storage.ObjectStore``.

    Args:
        http: Whose connections and time-outs are used.
        rpc: Where the node answers, such as ``http://127.0.0.1:5001``.
        authorization: The header of that name; empty: none.
        pause: Lets seconds pass before a file is sent anew.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        rpc: str,
        authorization: str = "",
        pause: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._http, self._rpc, self._pause = http, rpc.rstrip("/"), pause
        self._headers = {"Authorization": authorization} if authorization else {}

    async def check(self) -> None:
        """Look whether a node answers there, and lets us write.

        Raises:
            StorageUnfit: It refuses, or what answers is no IPFS node.
            StorageDown: Nobody answers.
        """
        answer = await self._asked("version", {})
        if answer.status in (401, 403):
            raise StorageUnfit(self._refused(answer.status))
        try:
            known = answer.is_success and "Version" in parse_json(answer.content)
        except (ValueError, TypeError):
            known = False
        if not known:
            raise StorageUnfit(
                f"what answers at {self._rpc} is no IPFS node (HTTP {answer.status}): the results "
                "service's operator must name the RPC of one in --storage, mostly at port 5001"
            )
        await self._call("files/mkdir", {"arg": MFS_FOLDER, "parents": "true"})

    async def put(self, name: str, path: str) -> str:
        """Store a local file, and return its address once the node has proved to have it."""
        content = await self._added(path)
        if await self._sha256_of(content) != await asyncio.to_thread(_sha256, path):
            raise StorageDown(f"{self._node} names {content}, which is another file: look at it")
        target = f"{MFS_FOLDER}/{name}"
        folder = target.rpartition("/")[0]
        await self._call("files/mkdir", {"arg": folder, "parents": "true"})
        await self.remove(name)
        await self._call("files/cp", [("arg", f"{IPFS_PREFIX}{content}"), ("arg", target)])
        await self._call("pin/rm", {"arg": str(content)}, may_fail=True)
        return f"{IPFS_PREFIX}{content}"

    async def _added(self, path: str) -> ContentId:
        """Send a file; from its start again where the node goes in the middle."""
        for pause in (*PAUSES_OF_ADDING, None):
            try:
                return await self._add(path)
            except StorageDown:
                if pause is None:
                    raise
            await self._pause(pause)
        raise AssertionError

    async def _add(self, path: str) -> ContentId:
        boundary = secrets.token_hex(16)
        answer = await self._asked(
            "add",
            {"pin": "true", "progress": "false", "cid-version": "0"},
            caps=_ADD,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            content=_form(path, boundary),
        )
        self._must_succeed(answer)
        try:
            told = [parse_json(line) for line in answer.content.splitlines() if line.strip()]
            return ContentId.parse(str(told[-1]["Hash"]))
        except (ValueError, LookupError, TypeError, UnfitContentId) as fault:
            raise StorageDown(f"{self._node} did not say where it put a file: look at it") from (
                fault
            )

    async def _sha256_of(self, content: ContentId) -> bytes:
        digest = hashlib.sha256()
        async for piece in self._file(content, 0, None):
            await asyncio.to_thread(digest.update, piece)
        return digest.digest()

    async def read(
        self, name: str, location: str, first: int, count: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield bytes of a file, each block checked against its hash before it is given."""
        address = location.removeprefix(IPFS_PREFIX)
        if not location.startswith(IPFS_PREFIX):
            told = await self._call("files/stat", {"arg": f"{MFS_FOLDER}/{name}"})
            address = str(told.get("Hash", ""))
        try:
            async for piece in self._file(ContentId.parse(address), first, count):
                yield piece
        except UnfitContentId as fault:
            raise StorageDown(f"{self._node} has lost a file: look at it") from fault

    async def _file(
        self, content: ContentId, first: int, count: int | None
    ) -> AsyncIterator[bytes]:
        """Walk a file's tree from left to right, past what is not asked for."""
        ahead: list[tuple[ContentId, int | None, int]] = [(content, None, 0)]
        end, left = None, 1
        while ahead:
            part, told, at = ahead.pop()
            node = self._checked(part, await self._block(part), told)
            if end is None:
                end = node.size if count is None else min(node.size, first + count)
                left = _FEWEST_BLOCKS + node.size // _LEAST_BLOCK
            left -= 1
            if left < 0:
                raise StorageDown(f"{self._node} has a file in too many blocks: {content}")
            if piece := node.data[max(0, first - at) : max(0, end - at)]:
                yield piece
            at += len(node.data)
            below = []
            for each, size in node.parts:
                if size and at < end and at + size > first:
                    below.append((each, size, at))
                at += size
            ahead += reversed(below)

    def _checked(self, content: ContentId, block: bytes, size: int | None) -> FileNode:
        try:
            return read_block(content, block, size)
        except FalseBlock as fault:
            raise StorageDown(
                f"{self._node} gives what it was not asked for ({fault}): the results service's "
                "operator must look at it"
            ) from fault

    async def _block(self, content: ContentId) -> bytes:
        answer = await self._asked("block/get", {"arg": str(content)}, caps=_BLOCK)
        self._must_succeed(answer)
        return answer.content

    async def remove(self, name: str) -> None:
        """Delete a name; repeatable."""
        target = f"{MFS_FOLDER}/{name}"
        answer = await self._asked("files/rm", {"arg": target, "recursive": "true"})
        if not answer.is_success and not _says(answer, _ABSENT):
            self._must_succeed(answer)

    async def names(self) -> AsyncIterator[str]:
        """Yield the names of all files, a folder at a time."""
        for folder in await self._listed(MFS_FOLDER):
            for name in await self._listed(f"{MFS_FOLDER}/{folder}"):
                yield f"{folder}/{name}"

    async def _listed(self, folder: str) -> list[str]:
        told = await self._call("files/ls", {"arg": folder})
        return [str(each["Name"]) for each in told.get("Entries") or ()]

    async def _call(self, method: str, params: Any, *, may_fail: bool = False) -> dict[str, Any]:
        answer = await self._asked(method, params)
        if may_fail and not answer.is_success:
            return {}
        self._must_succeed(answer)
        try:
            told = parse_json(answer.content) if answer.content.strip() else {}
        except ValueError as fault:
            raise StorageDown(f"{self._node} answers no JSON: look at it") from fault
        return told if isinstance(told, dict) else {}

    async def _asked(
        self,
        method: str,
        params: Any,
        caps: Caps = _SHORT,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> WebAnswer:
        url = f"{self._rpc}/api/v0/{method}"
        sent = {**self._headers, **(headers or {})}
        try:
            return await ask(self._http, "POST", url, caps, params=params, headers=sent, **request)
        except NoAnswer as fault:
            raise StorageDown(
                f"{self._node} does not answer ({fault}): the results service's operator must see "
                "that it runs"
            ) from fault
        except AnswerTooLarge as fault:
            raise StorageDown(f"{self._node} answers too much ({fault}): look at it") from fault

    def _must_succeed(self, answer: WebAnswer) -> None:
        if answer.is_success:
            return
        if answer.status in (401, 403):
            raise StorageDown(self._refused(answer.status))
        if _says(answer, _FULL) or answer.status == 507:
            raise StorageFull(
                f"no room left at {self._node}: the results service's operator must make some"
            )
        raise StorageDown(
            f"{self._node} refused ({_message(answer)}): the results service's operator must look "
            "at it"
        )

    def _refused(self, status: int) -> str:
        return (
            f"{self._node} refuses our credentials (HTTP {status}): the results service's operator "
            "must put what it asks for under [ipfs] into the file of --storage-credentials"
        )

    @property
    def _node(self) -> str:
        return f"the IPFS node at {self._rpc}"


def kubo_client() -> httpx.AsyncClient:
    """Return what asks a node of the operator's own: no proxy stands between."""
    return httpx.AsyncClient(timeout=60, verify=trusted(), trust_env=False)


async def _form(path: str, boundary: str) -> AsyncIterator[bytes]:
    """Yield a file as a form of one part, a piece at a time."""
    head = 'Content-Disposition: form-data; name="file"; filename="file"\r\n'
    yield f"--{boundary}\r\n{head}Content-Type: application/octet-stream\r\n\r\n".encode()
    with Path(path).open("rb") as file:  # noqa: ASYNC230 - reads go to a thread
        while piece := await asyncio.to_thread(file.read, _READ_AT_ONCE):
            yield piece
    yield f"\r\n--{boundary}--\r\n".encode()


def _sha256(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _message(answer: WebAnswer) -> str:
    try:
        told = parse_json(answer.content)
        return shown(str(told["Message"]), 200)
    except (ValueError, LookupError, TypeError):
        return f"HTTP {answer.status}"


def _says(answer: WebAnswer, words: tuple[str, ...]) -> bool:
    told = _message(answer).lower()
    return any(each in told for each in words)
